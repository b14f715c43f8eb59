"""Runs a container of the manifests as a process on this machine: its command, its arguments, its settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.manifests.rendering import of_kind
from tests.waiting import wait_until

_BIN = Path(sys.executable).parent


def command_of(
    items: list[dict[str, Any]], container: dict[str, Any], places: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Returns a container's command line and its own environment.

    Args:
        items: The rendered objects, with the ConfigMaps that it takes its environment from.
        container: The container.
        places: What stands for a path, a host or a port of the cluster on this machine; applied to every text.
    """
    settings: dict[str, str] = {}
    for source in container.get("envFrom", []):
        settings.update(of_kind(items, "ConfigMap")[source["configMapRef"]["name"]]["data"])
    settings.update({entry["name"]: entry["value"] for entry in container.get("env", []) if "value" in entry})
    words = [
        re.sub(r"\$\((\w+)\)", lambda match: settings[match[1]], word)
        for word in [*container["command"], *container.get("args", [])]
    ]
    program, *arguments = [_placed(word, places) for word in words]
    return [str(_BIN / program), *arguments], {name: _placed(value, places) for name, value in settings.items()}


def _placed(text: str, places: Mapping[str, str]) -> str:
    # At once: what one place is replaced by may look like another one, such as a port in a longer port.
    return re.sub("|".join(map(re.escape, places)), lambda match: places[match[0]], text)


@contextmanager
def running(command: list[str], settings: Mapping[str, str], probe_url: str, folder: Path) -> Iterator[None]:
    """Keeps a server up; returns from entering when its startup probe is answered."""
    with (folder / "log").open("w") as log:
        environment = {**os.environ, **settings, "HOME": str(folder)}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(probe_url, process, folder / "log")
            yield
        finally:
            process.terminate()
            process.wait(120)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        try:
            urllib.request.urlopen(url, timeout=30).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            return False
        return True

    wait_until(answers, f"{url} answers", seconds=300, pause_s=0.1)
