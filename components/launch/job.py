"""The Job of a training: its template filled in, the hash by which it is recognized, and how two Jobs differ."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from components.core import environment
from components.core.errors import InputError
from components.core.fingerprint import fingerprint
from components.core.redaction import without_secret
from components.kubernetes.client import Object
from components.launch import labels
from components.launch.request import Placement, TrainingRequest
from components.launch.template import CONTAINER, container_of

GPU = "nvidia.com/gpu"
_PARTS_OF_GPUS = ("nvidia.com/mig-", f"{GPU}.")  # slices such as nvidia.com/mig-1g.10gb, shares: nvidia.com/gpu.shared
WORKERS_SERVICE = "luthier-workers"
WORKERS_PORT = 2222
# Of the MLflow run of the pipeline's step. They change from run to run, so they are not part of the hash.
_PARENT_RUN = (environment.MLFLOW_TRACKING_URI, environment.MLFLOW_EXPERIMENT_ID, environment.MLFLOW_RUN_ID)


def fill_in(
    template: Mapping[str, Any], request: TrainingRequest, placement: Placement, namespace: str | None
) -> Object:
    """Returns the Job of a training, ready to be created.

    Args:
        template: The Job that template.merged returned.
        request: What to train.
        placement: On what.
        namespace: Namespace of the Job; None to write none into it.

    Raises:
        InputError: There is no image, or a value of `placement` is out of range.
    """
    placement.check()
    job = copy.deepcopy(dict(template))
    job.pop("status", None)
    job["metadata"] = _metadata(job.get("metadata") or {}, request, placement, namespace)
    pod_template = job["spec"]["template"]
    pod_template["metadata"] = _labelled(pod_template.get("metadata") or {}, request)
    pod = pod_template["spec"]
    container = container_of(job)
    container["args"] = request.arguments()
    container["image"] = _image(placement, container)
    # Kubernetes then keeps the last lines of the log in the pod's status: the reason of a failure.
    container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    _set_env(container, {environment.TRAIN_IMAGE: container["image"]})
    if placement.gpus is not None:
        _set_gpus(container, placement.gpus)
    if placement.priority_class:
        _set_priority_class(job, placement.priority_class)
    if placement.queue:
        job["spec"]["suspend"] = True  # Kueue starts it
    if placement.nodes > 1:
        _set_workers(job["spec"], pod, container, request.job_name, placement.nodes)
    job["metadata"]["annotations"][labels.SPEC_HASH] = _hash(job)
    if environment.get(environment.MLFLOW_RUN_ID):
        # A Job can be read by many: its pod has the password, if there is one, from a Secret.
        given = {name: without_secret(value) for name in _PARENT_RUN if (value := environment.get(name))}
        _set_env(container, given)
    return job


def is_gpu(resource: str) -> bool:
    """Tells whether a resource is a GPU of NVIDIA, whole or in part."""
    return resource == GPU or resource.startswith(_PARTS_OF_GPUS)


def first_difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Describes one difference between two Jobs: of the trainer's arguments, else of its image, else of the rest.

    Args:
        found: The Job as the API server returns it, with the server's defaults.
        wanted: The Job as it would be created.
    """
    wanted_container, found_container = container_of(wanted), container_of(found)
    wanted_flags, found_flags = _flags(wanted_container["args"]), _flags(found_container.get("args") or [])
    for flag in wanted_flags | found_flags:
        found_value, wanted_value = _values(found_flags.get(flag)), _values(wanted_flags.get(flag))
        if found_value != wanted_value:
            return f"its {flag} is {found_value}, expected {wanted_value}"
    if found_container.get("image") != wanted_container["image"]:
        return f"its image is '{found_container.get('image')}', expected '{wanted_container['image']}'"
    of_labels = _differences(found["metadata"].get("labels"), wanted["metadata"]["labels"], "metadata.labels")
    for difference in chain(of_labels, _differences(found["spec"], wanted["spec"], "spec")):
        return difference
    return "it has a field that its template does not have any more"


def _metadata(
    metadata: dict[str, Any], request: TrainingRequest, placement: Placement, namespace: str | None
) -> dict[str, Any]:
    metadata = _labelled(metadata, request) | {"name": request.job_name}
    metadata.pop("namespace", None)
    if namespace:
        metadata["namespace"] = namespace
    if placement.queue:
        metadata["labels"][labels.QUEUE] = placement.queue
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        labels.TRAINING_URI: request.out_uri,
        labels.COMMAND_LINE: request.command_line(),
    }
    return metadata


def _labelled(metadata: dict[str, Any], request: TrainingRequest) -> dict[str, Any]:
    return {**metadata, "labels": {**(metadata.get("labels") or {}), **request.labels()}}


def _image(placement: Placement, container: Mapping[str, Any]) -> str:
    image = placement.image or container.get("image") or environment.get(environment.TRAIN_IMAGE)
    if not image:
        raise InputError(
            f"there is no image for the trainer: expected --image, an image of container '{CONTAINER}' in the "
            f"template, or {environment.TRAIN_IMAGE}"
        )
    return str(image)


def _set_env(container: dict[str, Any], values: Mapping[str, str]) -> None:
    others = [entry for entry in container.get("env") or [] if entry["name"] not in values]
    container["env"] = others + [{"name": name, "value": value} for name, value in values.items()]


def _set_gpus(container: dict[str, Any], gpus: int) -> None:
    """Sets the limit of GPUs, of the kind that the template has: whole ones, slices or shares.

    Kubernetes needs no request of them, but one that is there has to equal the limit.
    """
    resources = container.setdefault("resources", {})
    every = chain.from_iterable(resources.get(kind) or {} for kind in ("limits", "requests"))
    name = next(filter(is_gpu, every), GPU)
    for kind in ("limits", "requests"):
        values = resources.get(kind) or {}
        had = [values.pop(each) for each in list(values) if is_gpu(each)]
        if gpus and (kind == "limits" or had):
            values[name] = gpus
        if values:
            resources[kind] = values
        else:
            resources.pop(kind, None)


def _set_priority_class(job: dict[str, Any], name: str) -> None:
    """Sets the class by which Kueue orders and preempts Jobs; without a queue, the class of the pods."""
    if labels.queue_of(job):
        job["metadata"]["labels"][labels.PRIORITY_CLASS] = labels.check_value(name, "--priority-class")
    else:
        job["spec"]["template"]["spec"]["priorityClassName"] = name


def _set_workers(spec: dict[str, Any], pod: dict[str, Any], container: dict[str, Any], name: str, nodes: int) -> None:
    """Makes it an Indexed Job, whose pods find each other as "<job>-<index>" in the headless Service."""
    spec.update(completionMode="Indexed", completions=nodes, parallelism=nodes)
    pod["subdomain"] = WORKERS_SERVICE
    hosts = ",".join(f"{name}-{index}.{WORKERS_SERVICE}:{WORKERS_PORT}" for index in range(nodes))
    _set_env(container, {environment.WORKER_HOSTS: hosts})


def _hash(job: Mapping[str, Any]) -> str:
    """Hashes labels and spec before the cluster adds its defaults. Returns 16 hexadecimal digits."""
    return fingerprint({"labels": job["metadata"]["labels"], "spec": job["spec"]})


def _flags(arguments: list[str]) -> dict[str, list[str]]:
    flags: dict[str, list[str]] = {}
    for flag, value in zip(arguments[1::2], arguments[2::2], strict=False):
        flags.setdefault(flag, []).append(value)
    return flags


def _values(values: list[str] | None) -> str:
    return "not set" if values is None else " and ".join(f"'{value}'" for value in values)


def _differences(found: Any, wanted: Any, path: str) -> Iterator[str]:
    """Yields where `found` lacks something of `wanted`. What it has beyond that are the API server's defaults."""
    if isinstance(wanted, Mapping):
        for key, value in wanted.items():
            if (path, key) != ("spec", "suspend"):
                inner = found.get(key) if isinstance(found, Mapping) else None
                yield from _differences(inner, value, f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (inner, value) in enumerate(zip(found, wanted, strict=True)):
            name = value.get("name", index) if isinstance(value, Mapping) else index
            yield from _differences(inner, value, f"{path}[{name}]")
    elif found != wanted and not _same_quantity(found, wanted):
        yield f"its {path} is {found!r}, expected {wanted!r}"


def _same_quantity(found: Any, wanted: Any) -> bool:
    """Tells whether both are the same quantity in different notations: the API server writes 1000m as 1."""
    from kubernetes.utils import parse_quantity

    try:
        return bool(parse_quantity(found) == parse_quantity(wanted))
    except (ValueError, TypeError):
        return False
