"""What each overlay is for."""

from __future__ import annotations

from typing import Any

import pytest

from components.launch.template import container_of
from tests.manifests.rendering import OVERLAYS, of_kind, pod_templates, render, training_job

_GPU = "nvidia.com/gpu"


def _pod(folder: str) -> dict[str, Any]:
    pod: dict[str, Any] = training_job(render(folder))["spec"]["template"]["spec"]
    return pod


def _limits(folder: str) -> dict[str, Any]:
    limits: dict[str, Any] = container_of(training_job(render(folder)))["resources"]["limits"]
    return limits


def _settings(folder: str, name: str) -> dict[str, str]:
    found = of_kind(render(folder), "ConfigMap")
    (key,) = [key for key in found if key == name or key.startswith(f"{name}-")]
    settings: dict[str, str] = found[key]["data"]
    return settings


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_training_survives_what_is_not_its_fault(folder):
    job = training_job(render(folder))["spec"]
    preempted, at_fault, stopped = job["podFailurePolicy"]["rules"]
    assert preempted["action"] == "Ignore"
    assert preempted["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert (at_fault["action"], at_fault["onExitCodes"]["values"]) == ("FailJob", [2])
    assert (stopped["action"], stopped["onExitCodes"]["values"]) == ("Count", [75])
    assert {rule["onExitCodes"]["containerName"] for rule in (at_fault, stopped)} == {"trainer"}
    assert job["podReplacementPolicy"] == "Failed"  # two never write the same checkpoints
    assert job["template"]["spec"]["terminationGracePeriodSeconds"] >= 30


def test_a_training_has_one_gpu_except_on_kind():
    assert {folder: _limits(folder).get(_GPU) for folder in OVERLAYS} == {
        "base": 1,
        "overlays/gke": 1,
        "overlays/kind": None,
        "overlays/kueue": 1,
    }


@pytest.mark.parametrize("folder", OVERLAYS)
def test_scratch_and_shared_memory_fit_into_the_limits(folder):
    volumes = {volume["name"]: volume["emptyDir"] for volume in _pod(folder)["volumes"]}
    on_disk = sum(_gib(volume["sizeLimit"]) for volume in volumes.values() if "medium" not in volume)
    assert on_disk <= _gib(_limits(folder)["ephemeral-storage"])
    assert volumes["shm"]["medium"] == "Memory"
    assert _gib(volumes["shm"]["sizeLimit"]) <= _gib(_limits(folder)["memory"]) / 4


def _gib(quantity: str) -> float:
    units = {"Gi": 1.0, "Mi": 1 / 1024}
    return float(quantity[:-2]) * units[quantity[-2:]]


def _images(items: list[dict[str, Any]]) -> set[str]:
    pods = [pod["spec"] for pod in pod_templates([*items, training_job(items)]).values()]
    return {container["image"] for pod in pods for container in [*pod.get("initContainers", []), *pod["containers"]]}


def test_kind_needs_two_images_and_no_volume():
    items = render("overlays/kind")
    assert {image.partition(":")[0] for image in _images(items)} == {"luthier-data", "luthier-train"}
    assert not of_kind(items, "PersistentVolumeClaim", "StatefulSet", "Secret")


def test_gke_takes_spot_gpus_and_says_who_it_is():
    pod = _pod("overlays/gke")
    assert pod["nodeSelector"]["cloud.google.com/gke-accelerator"] == "nvidia-l4"
    assert {toleration["key"] for toleration in pod["tolerations"]} == {_GPU, "cloud.google.com/gke-spot"}
    for account in of_kind(render("overlays/gke"), "ServiceAccount").values():
        assert account["metadata"]["annotations"]["iam.gke.io/gcp-service-account"].endswith(".gserviceaccount.com")


def test_gke_takes_its_images_from_one_registry():
    ours = {image for image in _images(render("overlays/gke")) if not image.startswith("postgres:")}
    assert {image.rpartition("/")[2].partition(":")[0] for image in ours} == {
        "luthier-data",
        "luthier-mlflow",
        "luthier-train",
    }
    assert len({image.rpartition("/")[0] for image in ours}) == 1


def test_gke_keeps_everything_in_buckets_and_trains_with_the_image_of_its_settings():
    settings = _settings("overlays/gke", "luthier-config")
    assert settings["LUTHIER_WORKSPACE"].startswith("gs://")
    assert settings["LUTHIER_TRAIN_IMAGE"] == container_of(training_job(render("overlays/gke")))["image"]
    assert _settings("overlays/gke", "mlflow")["MLFLOW_ARTIFACTS_DESTINATION"].startswith("gs://")
    assert "mlflow-artifacts" not in of_kind(render("overlays/gke"), "PersistentVolumeClaim")


@pytest.mark.parametrize("folder", [folder for folder in OVERLAYS if folder != "overlays/gke"])
def test_the_template_has_the_image_of_the_settings(folder):
    image = _settings(folder, "luthier-config")["LUTHIER_TRAIN_IMAGE"]
    assert container_of(training_job(render(folder)))["image"] == image


def test_gke_limits_leave_room_for_a_training():
    (quota,) = of_kind(render("overlays/gke"), "ResourceQuota").values()
    resources = container_of(training_job(render("overlays/gke")))["resources"]
    assert int(quota["spec"]["hard"][f"requests.{_GPU}"]) >= resources["limits"][_GPU]
    assert _gib(quota["spec"]["hard"]["requests.memory"]) >= _gib(resources["requests"]["memory"])
    claims = of_kind(render("base"), "PersistentVolumeClaim")["mlflow-artifacts"]
    (largest,) = [
        limit["max"]["storage"]
        for limit in of_kind(render("overlays/gke"), "LimitRange")["luthier"]["spec"]["limits"]
        if limit["type"] == "PersistentVolumeClaim"
    ]
    assert _gib(largest) >= _gib(claims["spec"]["resources"]["requests"]["storage"])


def test_gke_trainings_give_way_but_still_get_new_nodes():
    (priority,) = of_kind(render("overlays/gke"), "PriorityClass").values()
    assert _pod("overlays/gke")["priorityClassName"] == priority["metadata"]["name"]
    assert -10 < priority["value"] < 0  # the autoscaler adds no nodes for what is below -10
    assert priority["preemptionPolicy"] == "Never"


def test_kueue_admits_what_a_training_asks_for():
    items = render("overlays/kueue")
    job = training_job(items)
    labels = job["metadata"]["labels"]
    local = of_kind(items, "LocalQueue")[labels["kueue.x-k8s.io/queue-name"]]
    queue = of_kind(items, "ClusterQueue")[local["spec"]["clusterQueue"]]
    (namespace,) = of_kind(items, "Namespace").values()
    assert job["spec"]["suspend"] is True
    assert labels["kueue.x-k8s.io/priority-class"] in of_kind(items, "WorkloadPriorityClass")
    assert queue["spec"]["namespaceSelector"]["matchLabels"].items() <= namespace["metadata"]["labels"].items()
    assert local["metadata"]["namespace"] == namespace["metadata"]["name"]
    asked = container_of(job)["resources"]
    (group,) = queue["spec"]["resourceGroups"]
    assert set(group["coveredResources"]) == set(asked["requests"]) | set(asked["limits"])
    assert {flavor["name"] for flavor in group["flavors"]} == set(of_kind(items, "ResourceFlavor"))
    for flavor in group["flavors"]:
        assert [resource["name"] for resource in flavor["resources"]] == group["coveredResources"]
        quotas = {resource["name"]: resource["nominalQuota"] for resource in flavor["resources"]}
        assert _gib(quotas["memory"]) >= _gib(asked["requests"]["memory"])
        assert _gib(quotas["ephemeral-storage"]) >= _gib(asked["requests"]["ephemeral-storage"])
        assert int(quotas["cpu"]) >= int(asked["requests"]["cpu"])
        assert int(quotas[_GPU]) >= asked["limits"][_GPU]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_nothing_empty_is_rendered(folder):
    def empty(item: Any, path: str) -> list[str]:
        pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        found = [f"{path}.{key}" for key, value in pairs if value is None or value == []]
        return found + [each for key, value in pairs for each in empty(value, f"{path}.{key}")]

    assert not [each for item in render(folder) for each in empty(item, item["metadata"]["name"])]


def test_an_apply_on_kind_loads_the_samples_into_the_new_storage():
    pod = pod_templates(render("overlays/kind"))["Deployment storage"]["spec"]
    # Recreate ends the old pod first. It ignores SIGTERM, and the Service sends it requests until it has ended.
    assert of_kind(render("overlays/kind"), "Deployment")["storage"]["spec"]["strategy"]["type"] == "Recreate"
    assert pod["terminationGracePeriodSeconds"] <= 1
