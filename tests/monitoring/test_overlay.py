"""What the overlay adds to a cluster, and that it finds what is in the others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from tests.manifests.rendering import OVERLAYS, ROOT, all_objects, of_kind, pod_templates, render

OVERLAY = "overlays/monitoring"


def _selected(folder: str) -> dict[str, list[dict]]:
    """Returns the containers of the pods that the PodMonitor selects, of those that have its port."""
    monitor = of_kind(render(OVERLAY), "PodMonitor")["luthier"]["spec"]
    (part,) = monitor["selector"]["matchExpressions"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    found = {}
    for name, pod in pod_templates(all_objects(folder)).items():
        labels = pod["metadata"]["labels"]
        ports = [port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])]
        of_luthier = monitor["selector"]["matchLabels"].items() <= labels.items()
        if of_luthier and labels.get(part["key"]) in part["values"] and endpoint["port"] in ports:
            found[name] = pod["spec"]["containers"]
    return found


@pytest.mark.parametrize("folder", OVERLAYS)
def test_it_scrapes_the_trainings_and_sorts_and_nothing_else(folder):
    selected = _selected(folder)
    assert len(selected) == (2 if folder == "overlays/kind" else 1)
    assert {container["name"] for containers in selected.values() for container in containers} <= {"trainer", "sort"}
    for containers in selected.values():
        (container,) = containers
        (port,) = [port["containerPort"] for port in container["ports"] if port["name"] == "metrics"]
        assert {"name": "LUTHIER_METRICS_PORT", "value": str(port)} in container["env"]


def test_grafana_finds_the_dashboard():
    board = of_kind(render(OVERLAY), "ConfigMap")["luthier-dashboard"]
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(board["data"]["luthier.json"])["title"] == "Luthier"


def test_it_stands_beside_any_overlay_in_any_namespace(tmp_path: Path):
    beside = [os.path.relpath(ROOT / folder, tmp_path) for folder in ("overlays/gke", OVERLAY)]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": beside, "namespace": "bowed"}))
    items = render(str(tmp_path))
    kinds = {"PodMonitor", "PrometheusRule", "ConfigMap", "Deployment"}
    assert kinds <= {item["kind"] for item in items}
    assert {item["metadata"]["namespace"] for item in items if item["kind"] in kinds} == {"bowed"}
