"""docs/operations.md: real kubectl takes every command, and what it names is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from components.launch.template import container_of
from tests.manifests.rendering import OVERLAYS, ROOT, of_kind, render, training_job

_PAGE = (ROOT.parent / "docs/operations.md").read_text()
_COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", _PAGE, re.DOTALL) for line in block.splitlines() if line.strip()
]
_FILES = dict(re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", _PAGE, re.DOTALL))
_GIVEN = {"PROJECT": "my-project", "PASSWORD": "secret", "name": "data"}

# Stands for kubectl, with no cluster to speak to. What it objects to before it would ask one is wrong in the page.
_KUBECTL = """#!/bin/sh
printf '%s\\n' "$*" >> {folder}/kubectl.log
exec 3>&1
errors=$({kubectl} --server=http://127.0.0.1:9 "$@" 2>&1 >&3) && exit
printf "%s" "$errors" | grep -q 'connection.* refused' || {{ echo "$errors" >> {folder}/wrong.log; exit 1; }}
case "$*" in *"-o name"*) echo job.batch/luthier-a-string-harmonic ;; *) echo luthier-a-string-harmonic ;; esac
"""
# Stands for podman, with a digest for what is pushed: `make images` writes the component of the overlays of the page.
_PODMAN = """#!/bin/sh
case "$*" in *inspect*) echo sha256:{digest} ;; esac
if [ "$1 $2" = "push --digestfile" ]; then echo sha256:{digest} > "$3"; fi
"""
_DIGEST = "a1" * 32
# With --help, a command's options are parsed and nothing is done.
_LUTHIER = """#!/bin/sh
{python} -m components.cli "$@" --help > /dev/null 2>> {folder}/wrong.log
cat {folder}/job.yaml
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A checkout with the files of the page in it, and programs that reach no cluster."""
    folder = tmp_path_factory.mktemp("operations")
    shutil.copytree(ROOT, folder / "manifests")
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for name in ("mlflow.dump", "artifacts.tar", "key.json"):
        (folder / name).touch()
    for name in ("job.yaml", "strings-2.yaml"):
        (folder / name).write_text(yaml.safe_dump(training_job(render("base"))))
    programs = folder / "bin"
    programs.mkdir()
    scripts = {
        "kubectl": _KUBECTL.format(folder=folder, kubectl=shutil.which("kubectl")),
        "luthier": _LUTHIER.format(folder=folder, python=sys.executable),
        "gcloud": "#!/bin/sh\n",
        "kind": "#!/bin/sh\n",
        "podman": _PODMAN.format(digest=_DIGEST),
    }
    for name, script in scripts.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    for name in (".git", "images", "pyproject.toml"):
        (folder / name).symlink_to(ROOT.parent / name)
    settings = {"ENGINE": "podman", "REGISTRY": "registry.example.com/audio", "PUSH": "1"}
    settings["PATH"] = f"{programs}:{os.environ['PATH']}"
    subprocess.run(["images/build.sh", "data", "train", "mlflow"], cwd=folder, env=settings, check=True)
    return folder


def _run(place: Path, command: str) -> list[str]:
    """Runs a line of the page; returns the arguments of each kubectl in it."""
    for log in ("kubectl.log", "wrong.log"):
        (place / log).write_text("")
    settings = {**os.environ, **_GIVEN, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT.parent)}
    subprocess.run(
        ["bash", "-c", command], cwd=place, env=settings, stdin=subprocess.DEVNULL, capture_output=True, timeout=300
    )
    assert not (place / "wrong.log").read_text(), command
    return (place / "kubectl.log").read_text().splitlines()


@pytest.mark.parametrize("command", [line for line in _COMMANDS if re.search(r"\b(kubectl|luthier) ", line)])
def test_kubectl_takes_the_command(place, command):
    asked = _run(place, command)
    assert len(asked) == command.count("kubectl ")
    there = {(item["kind"].lower(), item["metadata"]["name"]) for folder in OVERLAYS for item in render(folder)} | {
        ("pvc", "data-postgres-0")
    }
    for kind, name in re.findall(r"\b(deployment|statefulset|service|job|pvc)/([\w-]+)", " ".join(asked)):
        assert (kind, name) in there or name.startswith("luthier-"), command


def test_a_wrong_command_is_told(place):
    for wrong in ("kubectl get jobs --no-such-flag", "kubectl apply -k no-such-folder", "luthier launch --no-such"):
        with pytest.raises(AssertionError):
            _run(place, wrong)


def test_labels_of_the_page_are_labels_of_ours():
    named = set(re.findall(r"((?:luthier\.dev|app\.kubernetes\.io)/[a-z-]+)", "\n".join(_COMMANDS)))
    given = {
        "app.kubernetes.io/name",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/component",
        "luthier.dev/run",
        "luthier.dev/family",
        "luthier.dev/synth",
        "luthier.dev/pipelines",
        "luthier.dev/job-policy-",  # "-" removes it
    }
    assert named <= given


def test_the_overlays_of_the_page_build(place):
    folders = sorted({str(Path(name).parent) for name in _FILES})
    assert folders == ["deploy", "managed", "narrow", "on-gke"]
    for folder in folders:
        for item in [*render(str(place / folder)), training_job(render(str(place / folder)))]:
            kubernetes_validate.validate(item, "1.36", strict=True)


def test_the_page_changes_image_and_node_of_the_trainings(place):
    job = training_job(render(str(place / "deploy")))
    pod = job["spec"]["template"]["spec"]
    assert container_of(job)["image"] == f"registry.example.com/audio/luthier-train@sha256:{_DIGEST}"
    assert container_of(job)["resources"]["requests"]["memory"] == "16Gi"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert pod["priorityClassName"] == "luthier-training"


def test_a_managed_database_replaces_ours(place):
    items = render(str(place / "managed"))
    assert not of_kind(items, "StatefulSet")
    assert "postgres" not in of_kind(items, "Service")
    policies = of_kind(items, "NetworkPolicy")
    assert "allow-postgres" not in policies
    (rule,) = policies["allow-mlflow-to-postgres"]["spec"]["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.1.2.3/32"}}]


def test_the_page_narrows_the_api_server_down(place):
    policies = of_kind(render(str(place / "narrow")), "NetworkPolicy")
    for name in ("allow-api-server", "allow-api-server-to-steps"):
        (rule,) = policies[name]["spec"]["egress"]
        assert rule["to"] == [{"ipBlock": {"cidr": "203.0.113.7/32"}}]
