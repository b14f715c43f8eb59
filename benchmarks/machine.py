"""Describes the machine of a benchmark, for readers of its figures."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.process import ROOT


def describe(folders: dict[str, Path], libraries: Sequence[str]) -> dict[str, str]:
    """Returns facts by name.

    Args:
        folders: Where the benchmark wrote, by what to call it: the file system of each is named.
        libraries: Distributions whose versions matter.
    """
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    systems = "; ".join(f"{name}: {file_system(folder)}" for name, folder in folders.items())
    return {
        "CPU": _cpu(),
        "memory": f"{_memory_bytes() / (1 << 30):.1f} GiB",
        "file systems": systems,
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "libraries": ", ".join(f"{name} {_version(name)}" for name in libraries),
        "cp": _first_line("cp", "--version"),
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load at the start (1, 5, 15 min)": load,
    }


def file_system(folder: Path) -> str:
    """Returns the type of the file system that a folder is on, for instance "ext4"."""
    path = folder.resolve()
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if path.is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    commit = _first_line("git", "rev-parse", "--short=12", "HEAD")
    changed = _first_line("git", "status", "--porcelain", "--untracked-files=no")
    return f"{commit} with uncommitted changes" if commit and changed else commit or "unknown"


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.partition("\n")[0]
