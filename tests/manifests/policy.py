"""`make policy`: checkov over everything that the manifests make. What it objects to is listed here with the reason.

checkov brings a hundred packages with pins of their own, so it runs in an environment of its own, apart from the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.manifests.rendering import OVERLAYS, all_objects

_CHECKOV = "checkov==3.3.30"
_ALL = "*"
_EXCEPTIONS = {
    ("CKV_K8S_15", _ALL): "tags are never moved, so a node's copy is as good; and kind loads images without a registry",
    ("CKV_K8S_43", _ALL): "digests are of a registry: an overlay sets them with kustomize's `images`",
    ("CKV_K8S_11", "Job luthier-training"): "a CPU limit would throttle the input of a GPU",
    ("CKV_K8S_21", "Job luthier-training"): "the launcher, or `kubectl -n`, says the namespace",
    ("CKV_K8S_21", "Job luthier-sort-"): "`kubectl -n` says the namespace",
    ("CKV_K8S_21", "Job luthier-launch-"): "`kubectl -n` says the namespace",
    ("CKV_K8S_38", "Job luthier-launch-"): "it makes Jobs",
    ("CKV_K8S_38", "CronJob luthier-unattended"): "it suspends Jobs",
    ("CKV_K8S_35", "Deployment mlflow"): "libpq takes no password file that its group can read, as a mounted Secret is",
    ("CKV_K8S_35", "StatefulSet postgres"): "the same Secret, and the container has no other process to hide it from",
    ("CKV_K8S_40", "StatefulSet postgres"): "999 is the user of the official image",
}


def main() -> None:
    """Prints what is not excepted, and which exception nothing needs any more; then ends with 1."""
    with tempfile.TemporaryDirectory() as folder:
        names = _write(Path(folder))
        failed, passed = _checked(folder, names)
    used = {entry for entry in _EXCEPTIONS for check, name in failed if entry in ((check, name), (check, _ALL))}
    bad = sorted(f"{check} {name}: {what}" for (check, name), what in failed.items() if not _excepted(check, name))
    bad += [f"{check} {name}: excepted, but nothing breaks it" for check, name in sorted(set(_EXCEPTIONS) - used)]
    print("\n".join(bad) or f"{passed} checks passed, {len(failed)} excepted with a reason")
    sys.exit(bool(bad))


def _excepted(check: str, name: str) -> bool:
    return (check, name) in _EXCEPTIONS or (check, _ALL) in _EXCEPTIONS


def _write(folder: Path) -> dict[str, str]:
    """Writes every object into a file of its own; returns file name to "Kind name"."""
    names = {}
    for overlay in OVERLAYS:
        for number, item in enumerate(all_objects(overlay)):
            file = f"{overlay.replace('/', '-')}-{number}.yaml"
            (folder / file).write_text(yaml.safe_dump(item))
            metadata = item["metadata"]
            names[file] = f"{item['kind']} {metadata.get('name') or metadata['generateName']}"
    return names


def _checked(folder: str, names: dict[str, str]) -> tuple[dict[tuple[str, str], str], int]:
    """Returns what failed, (check, "Kind name") to the check's title, and how many checks passed."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "tool", "run", "--from", _CHECKOV, "checkov", "--directory", folder]
    options = ["--framework", "kubernetes", "--skip-download", "--quiet", "--compact", "--output", "json"]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    assert not found["summary"]["parsing_errors"], found["summary"]
    failed = {
        (entry["check_id"], names[Path(entry["file_path"]).name]): entry["check_name"]
        for entry in found["results"]["failed_checks"]
    }
    return failed, int(found["summary"]["passed"])


if __name__ == "__main__":
    main()
