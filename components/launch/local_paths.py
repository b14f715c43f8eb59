"""Local paths of a training: its Job, which runs on any node, reaches them only on a volume of its template."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from components import storage
from components.core.errors import InputError
from components.kubernetes.client import Object
from components.launch.request import TrainingRequest
from components.launch.template import container_of


def check_local_paths(request: TrainingRequest, job: Object) -> None:
    """Raises an InputError for a path that is neither gs:// nor on a volume that outlives the Job's pod."""
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    lost = {volume["name"] for volume in pod.get("volumes") or [] if "emptyDir" in volume}
    mounts = container_of(job).get("volumeMounts") or []
    kept = [PurePosixPath(mount["mountPath"]) for mount in mounts if mount["name"] not in lost]
    given = {"--data": request.data_uri, "--out": request.out_uri, "--warm-start": request.warm_start}
    for option, uri in given.items():
        if not uri or storage.is_remote(uri) or any(PurePosixPath(uri).is_relative_to(path) for path in kept):
            continue
        raise InputError(
            f"{option} '{uri}' is a path on this machine, which the pod of the Job does not have: expected "
            "gs://bucket/prefix, or a path below the mountPath of a volume in the Job's template"
        )
