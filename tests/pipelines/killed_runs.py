"""Kills `luthier run` at random moments, touches the source in between, and tells whether it always goes on. By hand:

    python -m tests.pipelines.killed_runs SOURCE FOLDER [KILLS [SEED]]

SOURCE is a folder of records or recordings, whose files are written again; FOLDER is for the workspace. A run that
comes to its end before it is killed begins anew. It prints a line for every run, and ends with 1 after the first that
fails by itself.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# As little training as there can be: this is about what is left behind, not about sound.
_BINDINGS = ("train.max_steps = 6", "train.eval_every_steps = 3", "train.crop_samples = 2048", "RnnFcDecoder.ch = 16")
_BEGINNING_S = 3.0


def main(source: Path, folder: Path, kills: int, seed: int) -> int:
    """Returns 0 if every run was killed or succeeded, and the last one succeeded."""
    rng, workspace, longest_s = random.Random(seed), folder / "workspace", 60.0
    done = 0
    while True:
        ends_itself = done >= kills
        wait_s = rng.uniform(_BEGINNING_S, longest_s)
        start = time.monotonic()
        code, said = _run(source, workspace, None if ends_itself else wait_s)
        took_s = time.monotonic() - start
        how = "killed" if code == -signal.SIGKILL else f"exit code {code}"
        print(f"{done:3d} kills  {took_s:6.1f} s  {how}  {_last_line(said)}", flush=True)
        if code not in (0, -signal.SIGKILL):
            return 1
        if code == 0:
            if ends_itself:
                return 0
            longest_s = max(_BEGINNING_S, took_s * 0.9)
            shutil.rmtree(workspace)
            continue
        done += 1
        _write_again(source, rng)


def _run(source: Path, workspace: Path, kill_after_s: float | None) -> tuple[int, str]:
    luthier = str(Path(sys.executable).with_name("luthier"))
    command = [luthier, "run", "--source", str(source), "--workspace", str(workspace), "--synths", "harmonic"]
    for binding in _BINDINGS:
        command += ["--set", binding]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, _ = process.communicate(timeout=kill_after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return process.returncode, said


def _write_again(source: Path, rng: random.Random) -> None:
    """Touches each file, writes it again, or replaces it: the bytes stay."""
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        how = rng.randrange(3)
        if how == 0:
            os.utime(path)
        elif how == 1:
            path.write_bytes(path.read_bytes())
        else:
            copy = path.with_name(f".{path.name}.copy")
            shutil.copyfile(path, copy)
            copy.rename(path)


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else ""


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(
        main(Path(arguments[0]), Path(arguments[1]), *map(int, [*arguments[2:], *("20", "0")[len(arguments) - 2 :]]))
    )
