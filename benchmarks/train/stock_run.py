"""Does what ddsp's `ddsp_run --mode=train` does up to its first step: the peer of the start of `luthier train`.

    python -m benchmarks.train.stock_run CONFIG.gin SAVE_DIR MARK

ddsp_run itself does not start with today's setuptools: it imports pkg_resources. As in it: `import ddsp.training`, gin,
a MirroredStrategy, the model, train_util.train; here with a Trainer that writes the file MARK after a step. Where a
package that ddsp imports is absent, an empty module stands in for it and costs nothing: MARK names them.
"""

from __future__ import annotations

import os
import sys
import types
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Packages that ddsp.training imports, and their parts that it names; it calls none of them to train.
_IMPORTED: dict[str, list[str]] = {"crepe": [], "hypertune": [], "mir_eval": [], "note_seq": ["sequences_lib"]}


def absent() -> list[str]:
    """Returns those of ddsp's packages that are not installed."""
    return [name for name in _IMPORTED if PathFinder.find_spec(name) is None]


def _stand_in(names: list[str]) -> None:
    for name in names:
        module = sys.modules[name] = types.ModuleType(name)
        for part in _IMPORTED[name]:
            sys.modules[f"{name}.{part}"] = types.ModuleType(f"{name}.{part}")
            setattr(module, part, sys.modules[f"{name}.{part}"])


def main() -> None:
    """Trains until it is killed."""
    config, save_dir, mark = sys.argv[1:]
    names = absent()
    _stand_in(names)

    import ddsp.training
    import gin

    class Marking(ddsp.training.trainers.Trainer):  # type: ignore[misc]
        def train_step(self, inputs: Any) -> Any:
            losses = super().train_step(inputs)
            float(losses["total_loss"])
            Path(mark).write_text(f"done, without {', '.join(names)}\n")
            return losses

    with gin.unlock_config():
        gin.parse_config(Path(config).read_text())
    strategy = ddsp.training.train_util.get_strategy()
    with strategy.scope():
        trainer = Marking(ddsp.training.models.get_model(), strategy)
    ddsp.training.train_util.train(data_provider=gin.REQUIRED, trainer=trainer, save_dir=save_dir, restore_dir=save_dir)


if __name__ == "__main__":
    main()
