"""ddsp 3.7 as the models need it: imported in about a second beyond TensorFlow, two absent packages stood in for.

Every module that uses TensorFlow or ddsp imports them through this one, since what it does must come first:

* ddsp 3.7 uses Keras 2: TF_USE_LEGACY_KERAS=1 has to be set before TensorFlow is imported.
* `import ddsp` imports `crepe`, whose setup downloads weights, and `ddsp.training.cloud` imports `hypertune`, a tuning
  service's client. Training calls neither, so an empty module of that name stands in where the package is absent.
* `ddsp.training.__init__` imports note_seq, bokeh and more (10 s), none of it needed here: a bare package object with
  the right `__path__` stands in for it, and only the submodules below are loaded.
* ddsp imports `tensorflow_probability`, a fifth of all import time, for distributions that training never makes, and
  `ddsp.training.cloud` a storage client for addresses that we open ourselves: both come when something of them is used.
  (ddsp's HmmTranscriber, whose base class is among them, is not available.)
* TensorFlow prints lines of its own while it loads, before it knows of a log level: they are held back.

* TensorFlow takes all memory of a GPU when it starts; several processes share one where each takes what it needs.

LUTHIER_THREADS limits the CPU threads of this process, for machines that run several trainings at once.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.core import environment

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what is an error, Python raises
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ["TF_USE_LEGACY_KERAS"] = "1"


@contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Swallows what C++ code prints to stderr inside the block, unless it fails or there is a GPU to complain about."""
    if Path("/dev/nvidiactl").exists():
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


class _Later(types.ModuleType):
    """Stands in for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


_distributions = _Later("tensorflow_probability.python.distributions")
vars(_distributions)["HiddenMarkovModel"] = object
_probability = _Later("tensorflow_probability")
vars(_probability)["distributions"] = _distributions
_STAND_INS = {
    name: module
    for name, module in (
        ("tensorflow_probability", _probability),
        ("ddsp.training.cloud", _Later("ddsp.training.cloud")),
    )
    if name not in sys.modules
}

for _absent in ("crepe", "hypertune"):
    if _absent not in sys.modules and importlib.util.find_spec(_absent) is None:
        sys.modules[_absent] = types.ModuleType(_absent, "Stand-in: ddsp imports it, training does not call it.")

with _held_back_stderr():
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for CUDA, and would say later that there is none

sys.modules.update(_STAND_INS)
import ddsp  # noqa: E402
import gin  # noqa: E402

_threads = environment.get_int(environment.THREADS)
if _threads:
    tf.config.threading.set_intra_op_parallelism_threads(_threads)

if "ddsp.training" not in sys.modules:
    _training = types.ModuleType("ddsp.training")
    _training.__path__ = [str(Path(ddsp.__file__).parent / "training")]
    sys.modules["ddsp.training"] = _training
    ddsp.training = _training

from ddsp.training import decoders, models, preprocessing  # noqa: E402

for _name in _STAND_INS:  # who imports them from here on gets the real ones
    del sys.modules[_name]

__all__ = ["ddsp", "decoders", "gin", "models", "preprocessing", "tf"]
