"""A real Prometheus for tests, and the files that it and Grafana are given."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import yaml

from tests.ports import free_port
from tests.waiting import wait_until

OVERLAY = Path(__file__).parents[2] / "manifests/overlays/monitoring"


def rule_groups() -> dict[str, Any]:
    """Returns what Prometheus makes of the PrometheusRule: the content of a rule file."""
    spec: dict[str, Any] = yaml.safe_load((OVERLAY / "rules.yaml").read_text())["spec"]
    return spec


def alerts() -> list[dict[str, Any]]:
    """Returns the alerting rules."""
    return [rule for group in rule_groups()["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Returns the dashboard's panels that are not rows."""
    found = json.loads((OVERLAY / "dashboard.json").read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def pod_relabelings() -> list[dict[str, Any]]:
    """Returns the PodMonitor's relabelings in Prometheus' own spelling."""
    endpoint = yaml.safe_load((OVERLAY / "pod-monitor.yaml").read_text())["spec"]["podMetricsEndpoints"][0]
    return [
        {re.sub("([A-Z])", r"_\1", key).lower(): value for key, value in rule.items()}
        for rule in endpoint["relabelings"]
    ]


def promtool(*arguments: object, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs promtool to its end."""
    return subprocess.run(["promtool", *map(str, arguments)], input=given, capture_output=True)


class Prometheus:
    """A Prometheus that scrapes every second and has our rules. Use as a context manager."""

    def __init__(self, folder: Path, scrapes: list[dict[str, Any]]) -> None:
        """Takes a folder of its own and the scrape_configs."""
        self._folder, self._port = folder, free_port()
        every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (folder / "rules.yaml").write_text(yaml.safe_dump(rule_groups()))
        config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": scrapes}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Prometheus:
        storage = f"--storage.tsdb.path={self._folder / 'tsdb'}"
        config = f"--config.file={self._folder / 'prometheus.yaml'}"
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            ["prometheus", config, storage, f"--web.listen-address=127.0.0.1:{self._port}"], stderr=self._log
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def get(self, path: str, **parameters: str) -> Any:
        """Returns the `data` of an answer of the HTTP API."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)["data"]

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Returns the samples that a query gives now."""
        result: list[dict[str, Any]] = self.get("query", query=promql)["result"]
        return result

    def wait_for(self, promql: str) -> list[dict[str, Any]]:
        """Waits until a query gives samples, and returns them: while a machine is busy, a scrape may be too late."""
        found: list[dict[str, Any]] = []

        def is_found() -> bool:
            found[:] = self.query(promql)
            return bool(found)

        self.wait_until(is_found, promql)
        return found

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            try:
                return condition()
            except OSError as error:  # not up yet
                if isinstance(error, HTTPError) and error.code != 503:
                    raise
                assert self._process.poll() is None, (self._folder / "log").read_text()
                return False

        wait_until(holds, what, seconds=300, pause_s=0.1)
