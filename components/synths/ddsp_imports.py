"""Imports of TensorFlow and ddsp 3.7: ddsp in about one second on top of TensorFlow, without two of its packages.

Every module that uses TensorFlow or ddsp imports them from here, because this must happen first:

* ddsp 3.7 uses Keras 2: TF_USE_LEGACY_KERAS=1 has to be set before TensorFlow is imported.
* `import ddsp` imports `crepe`, whose setup downloads weights, and `ddsp.training.cloud` imports `hypertune`, the
  client of a tuning service. Training calls neither, so an empty module replaces a package that is not installed.
* `ddsp.training.__init__` imports note_seq, bokeh and more (10 s), which Luthier does not need: a package object with
  the right `__path__` replaces it, and only the submodules below are loaded.
* ddsp imports `tensorflow_probability`, a fifth of all import time, for distributions that training never uses, and
  `ddsp.training.cloud` imports a storage client that Luthier does not use: both are loaded at first use. (ddsp's
  HmmTranscriber, whose base class is one of those distributions, is not available.)
* TensorFlow prints lines while it loads, before a log level applies: they are suppressed.
* TensorFlow reserves all memory of a GPU when it starts. Several processes can share a GPU because each reserves only
  what it needs.

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
from components.synths import compilation_cache

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Python raises what is an error
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ["TF_USE_LEGACY_KERAS"] = "1"
compilation_cache.enable()


@contextmanager
def _suppressed_stderr() -> Iterator[None]:
    """Suppresses what C++ code prints to stderr inside the block, unless the block fails or the machine has a GPU."""
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


class _LazyModule(types.ModuleType):
    """Replaces a module until one of its attributes is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


_distributions = _LazyModule("tensorflow_probability.python.distributions")
vars(_distributions)["HiddenMarkovModel"] = object
_probability = _LazyModule("tensorflow_probability")
vars(_probability)["distributions"] = _distributions
_REPLACEMENTS = {
    name: module
    for name, module in (
        ("tensorflow_probability", _probability),
        ("ddsp.training.cloud", _LazyModule("ddsp.training.cloud")),
    )
    if name not in sys.modules
}

for _absent in ("crepe", "hypertune"):
    if _absent not in sys.modules and importlib.util.find_spec(_absent) is None:
        sys.modules[_absent] = types.ModuleType(_absent, "Replacement: ddsp imports it, training does not call it.")

with _suppressed_stderr():
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for CUDA; later it would print that there is none

sys.modules.update(_REPLACEMENTS)
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

for _name in _REPLACEMENTS:  # later imports load the real modules
    del sys.modules[_name]

__all__ = ["ddsp", "decoders", "gin", "models", "preprocessing", "tf"]
