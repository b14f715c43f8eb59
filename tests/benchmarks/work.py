"""Work of known size for a fresh process."""

import subprocess
import sys
import time


def use(size, seconds):
    held = bytes(int(size)).replace(b"\0", b"\1")
    end = time.perf_counter() + float(seconds)
    while time.perf_counter() < end:
        pass
    return {"answer": 42, "held": len(held)}


def use_in_child(size):
    code = f"import time; held = bytes({size}).replace(b'\\0', b'\\1'); time.sleep(0.3)"
    subprocess.run([sys.executable, "-c", code], check=True)
