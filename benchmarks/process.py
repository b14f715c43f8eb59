"""Runs commands in fresh processes and measures seconds, processor seconds, and the memory of every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.timing import Run

ROOT = Path(__file__).resolve().parent.parent
_POLL_S = 0.01


def run_commands(commands: Sequence[Sequence[str]]) -> Run:
    """Runs commands at the same time, one process each; RuntimeError with the end of stderr if one fails."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as stderr:
        processes = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr) for command in commands
        ]
        cpu_s = sum(_finish(process, stderr.fileno()) for process in processes)
    seconds = time.perf_counter() - start
    return Run(seconds, seconds, cpu_s)


def run_function(
    function: str, *arguments: object, environment: Mapping[str, str] | None = None, watch_memory: bool = False
) -> Run:
    """Runs "module:function" with arguments as text in a fresh Python process; see benchmarks/child.py.

    Args:
        function: For instance "benchmarks.sort.ours:sort". What its module imports counts as start-up.
        arguments: Handed on as text.
        environment: Variables on top of this process's own.
        watch_memory: Whether to watch the memory of the process and its children (costs a little time).
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as stderr:
        result = Path(folder, "result.json")
        command = [sys.executable, "-m", "benchmarks.child", str(result), function, *map(str, arguments)]
        variables = {**os.environ, **(environment or {})}
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=stderr)
        watch = _MemoryWatch(process.pid) if watch_memory else None
        cpu_s = _finish(process, stderr.fileno())
        seconds = time.perf_counter() - start
        peaks = watch.stop() if watch else {}
        reported: dict[str, float] = json.loads(result.read_text())
    extra = {**reported, "processes": float(len(peaks))} if watch else reported
    return Run(seconds, reported["work_s"], cpu_s, max(peaks.values(), default=0), extra)


def _finish(process: subprocess.Popen[bytes], stderr: int) -> float:
    """Waits for a process and returns its processor seconds, those of its children included."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        os.lseek(stderr, 0, os.SEEK_SET)
        words = os.read(stderr, 1 << 20).decode(errors="replace").strip()[-2000:]
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {words}")
    return usage.ru_utime + usage.ru_stime


class _MemoryWatch:
    """Reads VmHWM, the kernel's high-water mark of memory, of a process and all its children.

    The mark only rises, so the last look at a process is its peak but for what it grew in its last hundredth second.
    """

    def __init__(self, pid: int) -> None:
        self._root, self._peaks, self._done = pid, dict[int, int](), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> dict[int, int]:
        """Returns the peak of every process seen, in bytes, by process id."""
        self._done.set()
        self._thread.join()
        return self._peaks

    def _watch(self) -> None:
        while not self._done.wait(_POLL_S):
            for pid in _tree(self._root):
                peak = _high_water_bytes(pid)
                self._peaks[pid] = max(self._peaks.get(pid, 0), peak)


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:  # grows while it is read
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, path.read_text().split())
            except OSError:
                continue  # it ended meanwhile
    return found


def _high_water_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
