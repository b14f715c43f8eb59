"""The child process of benchmarks/process.py: imports a module, then times one of its functions.

    python -m benchmarks.child RESULT.json module:function ARGUMENT...

The function takes text and may return numbers to report. Importing its module is start-up, and not in `work_s`.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Runs the function of the command line and writes the result."""
    result, function, *arguments = sys.argv[1:]
    module, _, name = function.partition(":")
    call = getattr(importlib.import_module(module), name)
    start = time.perf_counter()
    reported = call(*arguments)
    seconds = time.perf_counter() - start
    Path(result).write_text(json.dumps({**(reported or {}), "work_s": seconds}))


if __name__ == "__main__":
    main()
