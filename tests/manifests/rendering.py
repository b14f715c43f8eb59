"""The manifests as kubectl renders them."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from components.launch import template

ROOT = Path(__file__).parents[2] / "manifests"
OVERLAYS = ("base", "overlays/gke", "overlays/kind", "overlays/kueue")  # that are a whole installation
BY_HAND = sorted((ROOT / "overlays/kind/jobs").glob("*.yaml"))


@cache
def _kubectl() -> str:
    kubectl = shutil.which("kubectl")
    assert kubectl, "these tests render with kubectl 1.31 or later: try `make kubectl`"
    done = subprocess.run(
        [kubectl, "version", "--client", "--output=json"], capture_output=True, text=True, timeout=300
    )
    found = json.loads(done.stdout).get("kustomizeVersion", "none")
    assert found.startswith("v5."), f"{kubectl} has kustomize {found}, expected v5: take kubectl 1.31 or later"
    return kubectl


@cache
def render(folder: str) -> list[dict[str, Any]]:
    """Returns the objects of a folder of manifests/, or of an absolute one. Not to be changed: they are shared."""
    command = [_kubectl(), "kustomize", str(ROOT / folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # kustomize warns of what it deprecates
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def of_kind(items: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    """Returns the objects of some kinds by their names."""
    return {item["metadata"]["name"]: item for item in items if item["kind"] in kinds}


def training_job(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the Job that the launcher reads from the rendered ConfigMap."""
    return template.merged(of_kind(items, "ConfigMap")[template.CONFIG_MAP]["data"], "the ConfigMap")


def all_objects(folder: str) -> list[dict[str, Any]]:
    """Returns the objects of a folder, the training's Job, and for kind the Jobs that are created by hand."""
    items = render(folder)
    by_hand = [yaml.safe_load(path.read_text()) for path in BY_HAND] if folder == "overlays/kind" else []
    return [*items, training_job(items), *by_hand]


def pod_templates(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the pod templates of whatever makes pods, by "Kind name"."""
    found = {}
    for item in items:
        spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item.get("spec", {})
        if "template" in spec:
            metadata = item["metadata"]
            found[f"{item['kind']} {metadata.get('name') or metadata['generateName']}"] = spec["template"]
    return found
