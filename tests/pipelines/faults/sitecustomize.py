"""Breaks one function of a process that is started with this folder on PYTHONPATH: LUTHIER_BREAK="module:function".

Python imports this file in every process by itself. The function raises OSError, for a fault that nobody expects; with
LUTHIER_BREAK_IF set, only where that text is among its arguments.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from types import ModuleType
from typing import Any


class _Broken(importlib.abc.Loader):
    """Loads a module as its own loader does, then breaks the function."""

    def __init__(self, loader: Any, function: str) -> None:
        self._loader, self._function = loader, function

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        whole, only_if = getattr(module, self._function), os.environ.get("LUTHIER_BREAK_IF", "")

        def broken(*arguments: Any, **named: Any) -> Any:
            if only_if in repr((arguments, named)):
                raise OSError("an injected fault")
            return whole(*arguments, **named)

        setattr(module, self._function, broken)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, function: str) -> None:
        self._module, self._function = module, function

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None
        spec.loader = _Broken(spec.loader, self._function)
        return spec


_where = os.environ.get("LUTHIER_BREAK", "")
if _where:
    sys.meta_path.insert(0, _Finder(*_where.split(":")))
