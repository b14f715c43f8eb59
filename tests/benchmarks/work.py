"""Work of known size for a fresh process, which ends when the file `seen` tells that its memory was looked at."""

import subprocess
import sys
import time
from pathlib import Path

from tests.waiting import wait_until


def use(size, seconds, seen):
    held = bytes(int(size)).replace(b"\0", b"\1")
    start = time.perf_counter()
    while time.process_time() < float(seconds) or time.perf_counter() - start < float(seconds):
        pass
    wait_until(Path(seen).exists, "the memory is looked at")
    return {"answer": 42, "held": len(held)}


def use_in_child(size, seen):
    code = f"from tests.benchmarks import work; work.use({size}, 0, {seen!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
