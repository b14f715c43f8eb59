"""Compares what the trainings of a run request with the quotas of their namespace and with the nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from components.core.text import counted
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError, Forbidden, NotFound
from components.launch.job import is_gpu
from components.preflight import answers
from components.preflight.finding import Finding, Status
from components.preflight.quota_scopes import counts_pod, has_scopes

_GPU_LABELS = ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name")
_AUTOSCALER_STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
_KARPENTER = "/apis/karpenter.sh"
_SHOWN = 4  # models of GPUs that are named
_JOBS = "count/jobs.batch"

Resources = Mapping[str, Decimal]


def requests_of(job: Object) -> dict[str, Decimal]:
    """Returns what a pod of a Job requests, by resource; a limit without a request is one."""
    total: Counter[str] = Counter()
    for container in answers.objects(job, "spec", "template", "spec", "containers"):
        limits = answers.quantities(container, "resources", "limits")
        total.update(limits | answers.quantities(container, "resources", "requests"))
    return {name: Decimal(value) for name, value in total.items() if value}


def gpus_of(job: Object) -> int:
    """Returns how many GPUs, or parts of one, a pod of a Job requests."""
    return int(sum(value for name, value in requests_of(job).items() if is_gpu(name)))


def check_quotas(api: Api, job: Object, trainings: int) -> Iterator[Finding]:
    """Compares a training, and all of the run, with every ResourceQuota of the namespace."""
    try:
        quotas = answers.objects(api.get_path(f"/api/v1/namespaces/{api.namespace}/resourcequotas"), "items")
    except Forbidden:
        yield Finding("quota", Status.NOTE, f"not checked: you may not list the quotas of namespace '{api.namespace}'")
        return
    every = _in_quotas(job)
    pod, at_once = answers.mapping(job, "spec", "template", "spec"), trainings
    for quota in quotas:
        if not counts_pod(quota, pod):
            continue
        # Only quotas without scopes count objects other than pods.
        wanted = {name: each for name, each in every.items() if name != _JOBS or not has_scopes(quota)}
        name = answers.text(quota, "metadata", "name")
        hard, used = answers.quantities(quota, "spec", "hard"), answers.quantities(quota, "status", "used")
        for resource in sorted(hard.keys() & wanted.keys()):
            asked = wanted[resource]
            if asked > hard[resource]:
                text = f"quota '{name}' is too small: a training requests {resource}={_plain(asked)}, the limit is "
                advice = "raise the quota, or lower the requests in the Job's template"
                yield Finding("quota", Status.WRONG, text + _plain(hard[resource]), advice)
                return
            at_once = min(at_once, int((hard[resource] - used.get(resource, Decimal(0))) // asked))
    if not quotas:
        yield Finding("quota", Status.OK, f"namespace '{api.namespace}' has none")
    elif at_once < trainings:
        text = f"leaves room for {max(0, at_once)} of {counted(trainings, 'training')} at a time"
        yield Finding("quota", Status.NOTE, f"{text}; the others wait for their turn")
    else:
        yield Finding("quota", Status.OK, f"leaves room for {counted(trainings, 'training')} at the same time")


def check_nodes(api: Api, job: Object, trainings: int) -> Iterator[Finding]:
    """Looks for nodes that are large enough for a training, and counts how many trainings fit at a time."""
    try:
        nodes = answers.objects(api.get_path("/api/v1/nodes"), "items")
    except Forbidden:
        yield Finding("nodes", Status.NOTE, "not checked: you may not list the nodes of the cluster")
        return
    wanted = requests_of(job)
    pod = answers.mapping(job, "spec", "template", "spec")
    rooms = [(node, _room(node, wanted, pod)) for node in nodes]
    fitting = [node for node, room in rooms if room > 0]
    if not fitting and any(_room(node, wanted, _tolerant(pod, wanted)) for node in nodes):
        taints = ", ".join(sorted({key for node in nodes for key in _taints(node) & wanted.keys()}))
        text = f"those that are large enough for a training have the taint {taints}, which its pod does not tolerate"
        advice = (
            "add the toleration to the Job's template, as manifests/base has it; without it the pod runs only where "
            "the admission plugin ExtendedResourceToleration adds it, as on GKE"
        )
        yield Finding("nodes", Status.NOTE, text, advice)
        return
    request = ", ".join(f"{name}={_plain(value)}" for name, value in sorted(wanted.items()))
    if not fitting:
        text = f"none of {len(nodes)} is large enough for a training ({request}), {_largest(nodes, wanted)}"
        if _has_autoscaler(api):
            yield Finding("nodes", Status.NOTE, f"{text}; the autoscaler of the cluster may add one")
        else:
            advice = "add a node, or lower the requests in the Job's template; -p gpus=0 trains on the CPU"
            yield Finding("nodes", Status.WRONG, text, advice)
        return
    at_once = sum(room for _, room in rooms)
    models = sorted({model for node in fitting if (model := gpu_model(node))})[:_SHOWN]
    of_gpus = f" with {', '.join(models)}" if models and gpus_of(job) else ""
    text = f"{len(fitting)} of {len(nodes)}{of_gpus} can take a training ({request}): at most {at_once} at a time"
    yield Finding("nodes", Status.OK if at_once >= trainings else Status.NOTE, f"{text}, of {trainings}")


def gpu_models(api: Api) -> list[str]:
    """Returns the models of GPUs that the nodes name in their labels; none where they cannot be listed."""
    try:
        nodes = answers.objects(api.get_path("/api/v1/nodes"), "items")
    except Forbidden:
        return []
    return sorted({model for node in nodes if (model := gpu_model(node))})


def gpu_model(node: Object) -> str:
    """Returns the model of a node's GPUs, by the labels of NVIDIA, GKE or Karpenter; "" where there is none."""
    return next((found for label in _GPU_LABELS if (found := answers.text(node, "metadata", "labels", label))), "")


def _in_quotas(job: Object) -> dict[str, Decimal]:
    """Returns what a training counts in quotas: "requests.cpu" and "cpu", "limits.memory", "pods", ..."""
    found = {"pods": Decimal(1), _JOBS: Decimal(1), "count/pods": Decimal(1)}
    for name, value in requests_of(job).items():
        found |= {f"requests.{name}": value} | ({} if "/" in name else {name: value})
    for container in answers.objects(job, "spec", "template", "spec", "containers"):
        for name, value in answers.quantities(container, "resources", "limits").items():
            found[f"limits.{name}"] = found.get(f"limits.{name}", Decimal(0)) + value
    return {name: value for name, value in found.items() if value > 0}


def _tolerant(pod: Object, wanted: Resources) -> Object:
    """Returns a pod that tolerates the taints of the resources that it requests."""
    more = [{"key": name, "operator": "Exists"} for name in wanted]
    return {**pod, "tolerations": [*answers.objects(pod, "tolerations"), *more]}


def _taints(node: Object) -> set[str]:
    return {answers.text(taint, "key") for taint in answers.objects(node, "spec", "taints")}


def _is_tolerated(taint: Object, pod: Object) -> bool:
    if answers.text(taint, "effect") == "PreferNoSchedule":
        return True
    key, value = answers.text(taint, "key"), answers.text(taint, "value")
    for each in answers.objects(pod, "tolerations"):
        is_any = answers.text(each, "operator") == "Exists"
        if answers.text(each, "key") in ("", key) and (is_any or answers.text(each, "value") == value):
            return True
    return False


def _room(node: Object, wanted: Resources, pod: Object) -> int:
    """Returns how many trainings an empty node of this kind takes; 0 where labels, taints or state exclude it."""
    if answers.at(node, "spec", "unschedulable") is True:
        return 0
    if answers.text(answers.condition(node, "Ready"), "status") != "True":
        return 0
    if any(not _is_tolerated(taint, pod) for taint in answers.objects(node, "spec", "taints")):
        return 0
    labels, selector = answers.mapping(node, "metadata", "labels"), answers.mapping(pod, "nodeSelector")
    if any(labels.get(name) != value for name, value in selector.items()):
        return 0
    has = answers.quantities(node, "status", "allocatable")
    return min((int(has.get(name, Decimal(0)) // value) for name, value in wanted.items()), default=1)


def _largest(nodes: list[Object], wanted: Resources) -> str:
    """Names what the nodes have at most of each resource that a training requests."""
    has = [answers.quantities(node, "status", "allocatable") for node in nodes]
    most = {name: max((each.get(name, Decimal(0)) for each in has), default=Decimal(0)) for name in sorted(wanted)}
    return "the most that one has is " + ", ".join(f"{name}={_plain(value)}" for name, value in most.items())


def _has_autoscaler(api: Api) -> bool:
    for path in (_AUTOSCALER_STATUS, _KARPENTER):
        try:
            api.get_path(path)
        except (NotFound, ApiError):
            continue
        return True
    return False


def _plain(value: Decimal) -> str:
    """Returns a quantity for people: 4, 0.25, 16Gi."""
    for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20)):
        if value >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value.normalize():f}"
