"""Kills a sort at its n-th step on the disk, for every n, and lets another one continue it: a process of its own.

    python -m tests.sort.killing SOURCE OUT_ROOT

Prints one JSON list: for every n how the two sorts ended ("killed" or "done"), how many units the second one found
done, and the digest of what lies there in the end.
"""

import hashlib
import json
import logging
import os
import shutil
import signal
import sys
from pathlib import Path

from components.sort import step, units

DISK_EVENTS = ("open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.truncate")


def digest(root):
    found = hashlib.sha256()
    for path in sorted(Path(root).rglob("*")):
        if path.is_file():
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def die_at(event_number, root):
    left = [event_number]

    def hook(event, arguments):
        if event in DISK_EVENTS and str(root) in str(arguments[0]):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def sort_in_child(source, out, dies_at=None):
    """Returns how the sort ended and how many units it found done."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        logging.getLogger("components.sort.step").addHandler(_ReportDone(writing))
        if dies_at is not None:
            die_at(dies_at, out)
        step.sort(source, str(out), splits=())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        done = sum(int(line) for line in pipe)
    _, status = os.waitpid(pid, 0)
    return ("killed" if os.WIFSIGNALED(status) else "done" if status == 0 else "failed"), done


class _ReportDone(logging.Handler):
    def __init__(self, writing):
        super().__init__()
        self.writing = writing

    def emit(self, record):
        if "done already" in record.msg:
            os.write(self.writing, f"{record.args[1]}\n".encode())


def main():
    source, root = sys.argv[1], Path(sys.argv[2])
    units.PART_BYTES = 1000  # a unit for every shard
    # A killed process loses nothing that it has written; only a power cut would. So do not wait for the disk.
    os.fsync = lambda descriptor: None
    logging.getLogger("components").setLevel(logging.INFO)
    results = []
    while not results or results[-1][0] == "killed":
        out = root / f"out-{len(results)}"
        first, _ = sort_in_child(source, out, dies_at=len(results) + 1)
        second, done = sort_in_child(source, out)
        results.append([first, second, done, digest(out)])
        shutil.rmtree(out)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
