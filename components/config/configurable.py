"""Names in gin. No TensorFlow here."""

from __future__ import annotations

from typing import Any

import gin


def configurable_as(name: str, cls: Any) -> None:
    """Makes a class configurable in gin, by a name without any module.

    gin's full names begin with a module's. Without one the full name is `train`, and a full name goes before the last
    part of another's: ddsp has a ddsp.training.train_util.train.
    """
    module, cls.__module__ = cls.__module__, None
    gin.external_configurable(cls, name)
    cls.__module__ = module
