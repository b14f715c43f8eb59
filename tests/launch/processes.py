"""`luthier launch` as a process of its own, which can be killed, terminated and interrupted."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading

_CONTEXT = multiprocessing.get_context("forkserver")  # imports once; the child of a process with threads may hang
_CONTEXT.set_forkserver_preload(["components.cli", "components.launch.step", "components.launch.command", "kubernetes"])


class Launcher:
    """A launcher's process and its output so far."""

    def __init__(self, arguments) -> None:
        output, child = os.pipe()
        self._output = os.fdopen(output)
        argv, environment = ["luthier", *map(str, arguments)], dict(os.environ)
        handle = multiprocessing.reduction.DupFd(child)
        self.process = _CONTEXT.Process(target=_run, args=(argv, environment, handle), daemon=True)
        self.process.start()
        os.close(child)
        self.text, self.changed = "", threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, part: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: part in self.text, 120), self.text

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> int:
        """Waits for the end and for all that it said; returns the exit code, negative after a signal."""
        self.process.join(120)
        assert self.process.exitcode is not None, self.text
        self._reader.join(120)
        return self.process.exitcode

    def _read(self) -> None:
        for line in self._output:
            with self.changed:
                self.text += line
                self.changed.notify_all()


def _run(argv, environment, handle) -> None:
    os.environ.clear()
    os.environ.update(environment)
    output = handle.detach()
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    sys.argv = argv
    from components import cli

    cli.main()
