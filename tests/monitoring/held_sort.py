"""`luthier sort ARGUMENTS...`, whose process stays to be scraped until stdin ends."""

from __future__ import annotations

import sys

from components import cli

if __name__ == "__main__":
    sys.argv = ["luthier", "sort", *sys.argv[1:]]
    try:
        cli.main()
    except SystemExit as end:
        print(f"ended: {end.code or 0}", flush=True)
    sys.stdin.read()
