"""Fills a Job's template in: what is trained, on how many pods, in which queue, and the hash that knows it again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from components.core import environment
from components.core.environment import TRAIN_IMAGE
from components.core.errors import InputError
from components.core.fingerprint import fingerprint
from components.launch.template import CONTAINER, container_of
from components.launch.training import Placement, Training

HASH_ANNOTATION = "luthier.dev/spec-hash"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
GPU = "nvidia.com/gpu"
WORKERS_SERVICE = "luthier-workers"
WORKERS_PORT = 2222
# Of the MLflow run that a pipeline's step belongs to. Another one each time, so they do not tell trainings apart.
_PARENT_RUN = (environment.MLFLOW_TRACKING_URI, environment.MLFLOW_EXPERIMENT_ID, environment.MLFLOW_RUN_ID)


def fill_in(
    template: Mapping[str, Any], training: Training, placement: Placement, namespace: str | None
) -> dict[str, Any]:
    """Returns the Job of a training, ready to be created.

    Args:
        template: As of template.merged.
        training: What to train.
        placement: How to run it.
        namespace: Where; None leaves it to who creates the Job.

    Raises:
        InputError: Nothing names an image, or a value of `placement` cannot be.
    """
    placement.check()
    job = copy.deepcopy(dict(template))
    job.pop("status", None)
    job["metadata"] = _metadata(job.get("metadata") or {}, training, placement, namespace)
    pod_template = job["spec"]["template"]
    pod_template["metadata"] = _labelled(pod_template.get("metadata") or {}, training)
    pod = pod_template["spec"]
    container = container_of(job)
    container["args"] = training.arguments()
    container["image"] = _image(placement, container)
    container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")  # the last line, kept with the pod
    _set_env(container, {TRAIN_IMAGE: container["image"]})
    if placement.gpus is not None:
        _set_gpus(container, placement.gpus)
    if placement.priority_class:
        pod["priorityClassName"] = placement.priority_class
    if placement.queue:
        job["spec"]["suspend"] = True  # Kueue starts it
    if placement.nodes > 1:
        _spread(job["spec"], pod, container, training.job_name, placement.nodes)
    job["metadata"]["annotations"][HASH_ANNOTATION] = _hash(job)
    if environment.get(environment.MLFLOW_RUN_ID):
        _set_env(container, {name: value for name in _PARENT_RUN if (value := environment.get(name))})
    return job


def _metadata(
    metadata: dict[str, Any], training: Training, placement: Placement, namespace: str | None
) -> dict[str, Any]:
    metadata = _labelled(metadata, training) | {"name": training.job_name}
    metadata.pop("namespace", None)
    if namespace:
        metadata["namespace"] = namespace
    if placement.queue:
        metadata["labels"][QUEUE_LABEL] = placement.queue
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        "luthier.dev/training-uri": training.out_uri,
        "luthier.dev/config": training.command_line(),
    }
    return metadata


def _labelled(metadata: dict[str, Any], training: Training) -> dict[str, Any]:
    return {**metadata, "labels": {**(metadata.get("labels") or {}), **training.labels()}}


def _image(placement: Placement, container: Mapping[str, Any]) -> str:
    image = placement.image or container.get("image") or environment.get(TRAIN_IMAGE)
    if not image:
        raise InputError(
            f"nothing names the trainer's image: expected --image, an image of container '{CONTAINER}' in the "
            f"template, or {TRAIN_IMAGE}"
        )
    return str(image)


def _set_env(container: dict[str, Any], values: Mapping[str, str]) -> None:
    others = [entry for entry in container.get("env") or [] if entry["name"] not in values]
    container["env"] = others + [{"name": name, "value": value} for name, value in values.items()]


def _set_gpus(container: dict[str, Any], gpus: int) -> None:
    """A GPU is limited and never only requested; where both stand they must be equal."""
    resources = container.setdefault("resources", {})
    for kind in ("limits", "requests"):
        values = resources.get(kind) or {}
        had = values.pop(GPU, None)
        if gpus and (kind == "limits" or had is not None):
            values[GPU] = gpus
        if values:
            resources[kind] = values
        else:
            resources.pop(kind, None)


def _spread(spec: dict[str, Any], pod: dict[str, Any], container: dict[str, Any], name: str, nodes: int) -> None:
    """Makes N pods that find each other by name: "<job>-<index>" within the headless Service."""
    spec.update(completionMode="Indexed", completions=nodes, parallelism=nodes)
    pod["subdomain"] = WORKERS_SERVICE
    hosts = ",".join(f"{name}-{index}.{WORKERS_SERVICE}:{WORKERS_PORT}" for index in range(nodes))
    _set_env(container, {environment.WORKER_HOSTS: hosts})


def _hash(job: Mapping[str, Any]) -> str:
    """Hashes what makes the Job what it is, before the cluster adds its defaults or changes a thing."""
    identity = {"labels": job["metadata"]["labels"], "spec": job["spec"]}
    return fingerprint(identity)
