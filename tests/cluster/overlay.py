"""What is installed for the tests: an overlay in a namespace of its own, with the images that are tested."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.cluster import GPU
from tests.manifests.rendering import ROOT

JOBS = ROOT / "overlays/kind/jobs"


@dataclass(frozen=True)
class Images:
    """The images that are tested, as the nodes know them."""

    data: str
    train: str


def write(folder: Path, namespace: str, images: Images, has_gpus: bool) -> Path:
    """Writes a kustomization that lays the images over overlays/kind; returns its folder."""
    container: dict[str, Any] = {"name": "trainer", "image": images.train}
    pod: dict[str, Any] = {"containers": [container]}
    if has_gpus:
        container["resources"] = {"limits": {GPU: 1}}
        pod["tolerations"] = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.yaml").write_text(yaml.safe_dump({"spec": {"template": {"spec": pod}}}))
    kept = {"disableNameSuffixHash": True}
    kustomization = {
        "namespace": namespace,
        "resources": [_relative("overlays/kind", folder)],
        "images": [_image("luthier-data", images.data), _image("luthier-train", images.train)],
        "configMapGenerator": [
            {
                "name": "luthier-config",
                "behavior": "merge",
                "options": kept,
                "literals": [f"LUTHIER_DATA_IMAGE={images.data}", f"LUTHIER_TRAIN_IMAGE={images.train}"],
            },
            # The last of the template's layers.
            {"name": "luthier-training-job", "behavior": "merge", "options": kept, "files": ["zz-test.yaml=job.yaml"]},
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def moved(overlay: str, namespace: str, folder: Path) -> Path:
    """Writes a kustomization that moves one of ours into a namespace; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    kustomization = {"namespace": namespace, "resources": [_relative(overlay, folder)]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def job(name: str, image: str, *arguments: str) -> dict[str, Any]:
    """Returns one of the Jobs that kind's users create by hand, "sort" or "launch", with other arguments if given."""
    body: dict[str, Any] = yaml.safe_load((JOBS / f"{name}.yaml").read_text())
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["image"] = image
    container["args"] = list(arguments) or container["args"]
    return body


def script(image: str, account: str, code: str, *arguments: str, memory: str = "1Gi") -> dict[str, Any]:
    """Returns a Job that runs Python code under a service account, whose own word on its token holds.

    Args:
        image: The data image.
        account: The service account.
        code: The code.
        arguments: Its arguments.
        memory: Limit of its memory.
    """
    body = job("launch", image)
    body["metadata"]["generateName"] = "script-"
    body["spec"]["backoffLimit"] = 0
    pod = body["spec"]["template"]["spec"]
    pod["serviceAccountName"] = account
    pod.pop("automountServiceAccountToken")
    resources = {"requests": {"cpu": "20m", "memory": "256Mi"}, "limits": {"memory": memory}}
    pod["containers"][0] |= {"command": ["python", "-c", code], "args": list(arguments), "resources": resources}
    return body


def _relative(overlay: str, folder: Path) -> str:
    return os.path.relpath(ROOT / overlay, folder.resolve())


def _image(name: str, image: str) -> dict[str, str]:
    """Returns kustomize's entry for "registry:5000/name:tag@digest", of which all but the name may be missing."""
    rest, _, digest = image.partition("@")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # that colon was a port's
        path, tag = rest, ""
    if digest:
        return {"name": name, "newName": path, "digest": digest}
    return {"name": name, "newName": path, "newTag": tag or "latest"}
