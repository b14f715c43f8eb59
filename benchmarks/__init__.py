"""Compares speeds with a peer in one run: `make bench`, or one of them as `python -m benchmarks.<name>`.

timing, process, machine and report are shared; a benchmark is a package with a `__main__` beside them.
"""

import os

# A start is timed as a user's first one is, and nothing that another version has compiled is used.
os.environ.setdefault("LUTHIER_COMPILATION_CACHE", "off")
