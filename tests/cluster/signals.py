"""Runs in a pod of the data image: starts launchers as processes and sends signals to each. See test_launchers.

The argument is JSON:

    {"at_once": 10, "launchers": [{"arguments": ["launch", ...], "wait": "text", "signals": [["SIGTERM", 0.1]]}]}

The signals come after the launcher has printed the text of `wait`; each has the seconds to wait before it. For each
launcher it prints a line: 'ended {"code": 75, "output": "..."}'.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

LIMIT_S = 300.0


class Launcher:
    """A process of `luthier launch`."""

    def __init__(self, number: int, plan: dict[str, Any]) -> None:
        self.plan, self._path = plan, Path(f"/tmp/launcher-{number}.log")
        with self._path.open("wb") as output:
            self.process = subprocess.Popen(["luthier", *plan["arguments"]], stdout=output, stderr=output)

    def text(self) -> str:
        return self._path.read_text(errors="replace")

    def wait(self) -> None:
        """Waits for its text, or for its end."""
        deadline = time.monotonic() + LIMIT_S
        while self.plan["wait"] not in self.text() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)

    def signal(self) -> None:
        for name, after_s in self.plan["signals"]:
            time.sleep(after_s)
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.Signals[name])

    def end(self) -> dict[str, Any]:
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        return {"code": code, "output": self.text()[-2000:]}


def main(plan: dict[str, Any]) -> None:
    """Runs the launchers, `at_once` at the same time."""
    for first in range(0, len(plan["launchers"]), plan["at_once"]):
        group = plan["launchers"][first : first + plan["at_once"]]
        launchers = [Launcher(first + number, each) for number, each in enumerate(group)]
        for launcher in launchers:
            launcher.wait()
        for launcher in launchers:
            launcher.signal()
        for launcher in launchers:
            print("ended", json.dumps(launcher.end()), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
