"""A real Prometheus reads a real training and a real sort: what the rules and the dashboard ask for is there."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components import storage
from tests.conftest import Gcs
from tests.faulty_gcs import FaultyGcs
from tests.monitoring.prometheus import Prometheus, alerts, panels, pod_relabelings, promtool
from tests.notes import make_note, shard_name, write_sorted_set, write_source
from tests.ports import free_port
from tests.train.nursery import Nursery
from tests.train.trainings import BINDINGS, command, last_step

# What kube-state-metrics, Kueue and dcgm-exporter would tell: their names, labels and help as in their sources.
CLUSTER_METRICS = Path(__file__).with_name("cluster_metrics.prom")
ENDLESS = [*BINDINGS, "train.max_steps = 1000000", "train.checkpoint_every_s = 1"]
NEEDS_A_GPU = "luthier_train_gpu_memory_bytes"


def _pod(name: str, component: str, port: int) -> dict[str, Any]:
    """Returns the scrape_config of a pod as the Prometheus operator makes it of the PodMonitor."""
    labels = {
        "__meta_kubernetes_pod_label_batch_kubernetes_io_job_name": f"luthier-r1-{name}",
        "__meta_kubernetes_pod_label_luthier_dev_run": "r1",
        "__meta_kubernetes_pod_label_app_kubernetes_io_component": component,
        "__meta_kubernetes_pod_label_app_kubernetes_io_part_of": "luthier",
        "namespace": "luthier",
        "pod": f"luthier-r1-{name}-9xk2p",
    }
    targets = [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]
    return {"job_name": name, "static_configs": targets, "relabel_configs": pod_relabelings()}


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A training that goes on and on; its metrics port."""
    folder, port = tmp_path_factory.mktemp("training"), free_port()
    notes = {"train": [make_note(pitch=52)], "valid": [make_note(pitch=60)]}
    data = write_sorted_set(folder / "sorted", notes)
    with Nursery(folder / "stderr") as nursery:
        nursery.start(*command(data, folder / "out", ENDLESS), LUTHIER_METRICS_PORT=str(port))
        nursery.wait_until(lambda: last_step(folder / "out") > 0)
        yield port
        nursery.kill()


@pytest.fixture(scope="module")
def sorting(gcs: Gcs) -> Iterator[int]:
    """A sort that asked twice for a shard, set one record aside and is not allowed to end; its metrics port."""
    proxy, port = FaultyGcs(gcs.endpoint, gcs.bucket), free_port()
    bucket = proxy.bucket()
    source = write_source(f"{bucket}/source", {"train": [make_note("brass"), make_note("flute")]})
    shard = f"{source}/{shard_name('train', 0, 1)}"
    content = bytearray(storage.read_bytes(shard))
    content[5000] ^= 1
    storage.write_bytes(shard, bytes(content))
    proxy.inject("read", 503)
    options = ["--source", source, "--out", f"{bucket}/sorted", "--on-bad-record", "quarantine"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.monitoring.held_sort", *options],
        stdin=subprocess.PIPE,
        env={**os.environ, "LUTHIER_METRICS_PORT": str(port), "STORAGE_EMULATOR_HOST": proxy.endpoint},
    )
    yield port
    process.communicate()
    proxy.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[int]:
    """The port of what tells CLUSTER_METRICS."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(CLUSTER_METRICS.read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(scope="module")
def prometheus(
    training: int, sorting: int, cluster: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    scrapes = [
        _pod("string-harmonic", "training", training),
        _pod("sort", "data", sorting),
        # As kube-state-metrics is scraped everywhere: what its metrics are about is theirs to say.
        {
            "job_name": "cluster",
            "honor_labels": True,
            "static_configs": [{"targets": [f"127.0.0.1:{cluster}"]}],
        },
    ]
    with Prometheus(tmp_path_factory.mktemp("prometheus"), scrapes) as started:
        started.wait_for("rate(luthier_train_audio_seconds_total[1m]) > 0")
        started.wait_for('luthier_train_loss{split="valid"}')
        started.wait_for("count_over_time(luthier_sort_retries_total[1m]) > 1")
        started.wait_for("count_over_time(kueue_pending_workloads[1m]) > 1")
        yield started


def _everywhere(promql: str) -> str:
    """Returns a panel's query with Grafana's variables filled in."""
    return re.sub(r"\$(namespace|run|family|synth)\b", ".*", promql.replace("$__rate_interval", "1m"))


def _metrics(promql: str) -> set[str]:
    without_labels = re.sub(r"\{[^}]*\}", "", promql)
    return set(re.findall(r"\b(?:luthier|kube|kubelet|kueue|DCGM)_\w+", without_labels))


QUERIES = {
    f"{panel['title']}: {target['legendFormat']}": target["expr"] for panel in panels() for target in panel["targets"]
}


@pytest.mark.parametrize("name", QUERIES)
def test_every_panel_shows_something(prometheus, name):
    promql = _everywhere(QUERIES[name])
    for series in prometheus.query(promql) if NEEDS_A_GPU in QUERIES[name] else prometheus.wait_for(promql):
        assert set(re.findall(r"\{\{(\w+)\}\}", name)) <= set(series["metric"])


def test_every_metric_of_the_rules_and_panels_is_told_by_somebody(prometheus):
    told = {entry["metric"] for entry in prometheus.get("targets/metadata")} | set(
        prometheus.get("label/__name__/values")
    )
    used = {name for query in [*QUERIES.values(), *(alert["expr"] for alert in alerts())] for name in _metrics(query)}
    assert len(used) > 25 and NEEDS_A_GPU in used
    assert used - told == set()


def test_the_labels_of_a_pod_arrive(prometheus):
    [step] = prometheus.wait_for("luthier_train_step")
    told = {
        name: step["metric"][name]
        for name in ("namespace", "job_name", "run", "part_of", "component", "family", "synth")
    }
    assert told == {
        "namespace": "luthier",
        "job_name": "luthier-r1-string-harmonic",
        "run": "r1",
        "part_of": "luthier",
        "component": "training",
        "family": "string",
        "synth": "harmonic",
    }
    assert float(step["value"][1]) > 0


@pytest.mark.parametrize("variable", ["namespace", "run", "family", "synth"])
def test_the_dashboard_can_be_narrowed_down(prometheus, variable):
    def has_values() -> bool:
        return bool(prometheus.get(f"label/{variable}/values", **{"match[]": "luthier_train_max_steps"}))

    prometheus.wait_until(has_values, f"there are values of {variable}")


def test_the_rules_are_evaluated_and_say_what_is_wrong(prometheus):
    # The last two wait for ten minutes and for six hours before they fire.
    expected = {"LuthierJobFailed", "LuthierSortQuarantined", "LuthierRetrainingOld", "LuthierTrainingWaits"}
    active: list[dict[str, Any]] = []

    def are_the_expected() -> bool:
        active[:] = prometheus.get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in active} == expected

    prometheus.wait_until(are_the_expected, f"{expected} alone")
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"]: rule["health"] for rule in rules} == {alert["alert"]: "ok" for alert in alerts()}
    said = [text for alert in active for text in alert["annotations"].values()]
    assert "Records of train that a sort set aside: 1" in said
    assert "Job luthier-r1-brass-harmonic failed" in said
    assert not any(mistake in text for text in said for mistake in ("<error", "<no value>", "  ", "%!"))


@pytest.mark.parametrize("of", ["training", "sorting"])
def test_the_metrics_page_follows_the_rules_of_the_house_of_prometheus(prometheus, request, of):
    with urllib.request.urlopen(f"http://127.0.0.1:{request.getfixturevalue(of)}/metrics") as answer:
        done = promtool("check", "metrics", given=answer.read())
    problems = [line for line in done.stderr.decode().splitlines() if line.startswith("luthier_")]
    assert problems == [] and done.returncode in (0, 3)  # 3: of what Python tells of itself
