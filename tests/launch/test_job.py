"""A Job and its parts without a cluster: names, templates and patches, the endings of pods."""

import re

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.config.catalog import SYNTHS
from components.core.errors import EXIT_INPUT_ERROR
from components.launch import labels, template
from components.launch.job import fill_in
from components.launch.pod_state import ending
from components.launch.request import Placement, TrainingRequest, derived_run_id, job_name
from components.nsynth.families import FAMILIES

MANIFEST = "manifests/base/training-job.yaml"


@settings(deadline=None)
@given(
    run_id=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", fullmatch=True),
    family=st.sampled_from(FAMILIES),
    synth=st.sampled_from(SYNTHS),
)
def test_every_run_has_names_that_kubernetes_takes(run_id, family, synth):
    name = job_name(run_id, family, synth)
    assert re.fullmatch(r"luthier-[a-z0-9]([a-z0-9-]*[a-z0-9])?", name), name
    assert len(name) <= 63 - len("-999")
    assert name == job_name(run_id, family, synth)


def test_a_long_name_is_shortened_in_the_middle():
    assert job_name("smoke-1a2b", "synth_lead", "harmonic") == "luthier-smoke-1a2b-synth-lead-harmonic"
    long = job_name("a-rather-long-name-for-a-run-of-the-day", "synth_lead", "sinusoidal")
    assert long.startswith("luthier-a-rather")
    assert long.endswith("-synth-lead-sinusoidal")


def test_similar_runs_have_different_names():
    alike = ["my.run", "my-run", "My-Run", "my_run", "a" * 60, "a" * 61]
    assert len({job_name(run_id, "string", "harmonic") for run_id in alike}) == len(alike)


def test_a_run_without_a_name_has_one_of_its_folder():
    first = derived_run_id("gs://b/runs/smoke-1/string-harmonic", "string", "harmonic")
    assert re.fullmatch(r"smoke-1-[0-9a-f]{6}", first)
    assert first == derived_run_id("gs://b/runs/smoke-1/string-harmonic/", "string", "harmonic")
    assert first != derived_run_id("gs://other/runs/smoke-1/string-harmonic", "string", "harmonic")
    assert labels.check_value(derived_run_id("/tmp/Mein Ordner", "string", "harmonic"), "run")


def test_patches_are_merged():
    base = yaml.safe_load("""
      map: {kept: 1, changed: 1, dropped: 1}
      named: [{name: a, x: 1, y: {z: 1}}, {name: b}]
      plain: [1]
      mounts: [{name: v, path: /a}, {name: v, path: /b}]
    """)
    patch = yaml.safe_load("""
      map: {changed: 2, dropped: null, new: {inner: null, other: 3}}
      named: [{name: c}, {name: a, x: 2, y: null}]
      plain: [2]
      mounts: [{name: w, path: /c}]
    """)
    before = yaml.safe_dump(base)
    assert template.apply_patch(base, patch) == {
        "map": {"kept": 1, "changed": 2, "new": {"other": 3}},
        "named": [{"name": "a", "x": 2}, {"name": "b"}, {"name": "c"}],
        "plain": [1, 2],
        "mounts": [{"name": "v", "path": "/a"}, {"name": "v", "path": "/b"}, {"name": "w", "path": "/c"}],
    }
    assert yaml.safe_dump(base) == before


def test_patches_are_applied_in_the_order_of_their_names(tmp_path):
    (tmp_path / "training-job.yaml").write_text(
        "{apiVersion: batch/v1, kind: Job, spec: {a: 0, template: {spec: {containers: [{name: trainer}]}}}}"
    )
    (tmp_path / "20-second.yaml").write_text("spec: {a: 2}")
    (tmp_path / "10-first.yaml").write_text("spec: {a: 1, b: 1}")
    (tmp_path / "notes.txt").write_text("spec: {a: 3}")
    job = template.merged(template.read_files(str(tmp_path)), "here")
    assert (job["spec"]["a"], job["spec"]["b"]) == (2, 1)


def request():
    return TrainingRequest("smoke-1", "string", "harmonic", "gs://b/sorted", "0" * 16, "gs://b/out", "smoke", ())


def test_the_shipped_template_makes_jobs_that_kubernetes_takes():
    shipped = template.merged(template.read_files(MANIFEST), MANIFEST)
    for placement in (Placement("trainer:1"), Placement("trainer:1", "gpus", "high", nodes=4, gpus=8)):
        job = fill_in(shipped, request(), placement, "luthier")
        kubernetes_validate.validate(job, "1.36", strict=True)
        rules = job["spec"]["podFailurePolicy"]["rules"]
        assert rules[0]["onPodConditions"][0]["type"] == "DisruptionTarget"
        assert rules[0]["action"] == "Ignore"
        fails = next(rule for rule in rules if rule["action"] == "FailJob")
        assert fails["onExitCodes"] == {"containerName": "trainer", "operator": "In", "values": [EXIT_INPUT_ERROR]}


def test_no_gpus_leaves_nothing_of_them():
    job = yaml.safe_load("""
      {apiVersion: batch/v1, kind: Job, spec: {template: {spec: {containers: [
        {name: trainer, resources: {limits: {nvidia.com/gpu: 1}, requests: {nvidia.com/gpu: 1, cpu: 1}}}]}}}}
    """)
    filled = fill_in(job, request(), Placement("trainer:1", gpus=0), None)
    assert template.container_of(filled)["resources"] == {"requests": {"cpu": 1}}
    assert "namespace" not in filled["metadata"]
    both = fill_in(job, request(), Placement("trainer:1", gpus=2), None)
    assert template.container_of(both)["resources"]["requests"]["nvidia.com/gpu"] == 2


@pytest.mark.parametrize("resource", ["nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared"])
def test_gpus_are_of_the_kind_that_the_template_has(resource):
    """NVIDIA's device plugin: MIG_STRATEGY=mixed, and time-slicing with renameByDefault."""
    job = {
        "spec": {"template": {"spec": {"containers": [{"name": "trainer", "resources": {"limits": {resource: 1}}}]}}}
    }
    filled = fill_in(job, request(), Placement("trainer:1", gpus=2), None)
    assert template.container_of(filled)["resources"] == {"limits": {resource: 2}}
    filled = fill_in(job, request(), Placement("trainer:1", gpus=0), None)
    assert "resources" not in template.container_of(filled) or not template.container_of(filled)["resources"]


def pod(terminated=None, **status):
    limits = {"limits": {"memory": "4Gi"}}
    if terminated:
        status["containerStatuses"] = [{"name": "trainer", "image": "t", "state": {"terminated": terminated}}]
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "trainer", "resources": limits}]},
        "status": {"phase": "Failed", **status},
    }


def disrupted(reason):
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "m"}]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pod({"exitCode": 137, "reason": "OOMKilled"}), "killed for memory: the limit of container 'trainer' is 4Gi"),
        (pod({"exitCode": 75}), "stopped, with all its work saved"),
        (pod({"exitCode": 1, "message": "a\nb\n"}), "ended with exit code 1: b"),
        (pod({"exitCode": 139}), "ended with exit code 139"),
        (pod({"exitCode": 143}, conditions=disrupted("EvictionByEvictionAPI")), "evicted, as when a node is drained"),
        (pod({"exitCode": 143}, conditions=disrupted("TerminationByKubelet")), "ended by its node, which shuts down"),
        (pod(conditions=disrupted("DeletionByPodGC")), "lost with its node; the training continues"),
        (pod(conditions=disrupted("SomethingNew")), "disrupted (m); the training continues"),
        (
            pod(reason="Evicted", message='Usage of EmptyDir volume "scratch" exceeds the limit "30Gi". '),
            'evicted: Usage of EmptyDir volume "scratch" exceeds the limit "30Gi".',
        ),
    ],
)
def test_how_a_pod_ended(found, expected):
    assert ending(found).text.startswith(expected)


def test_an_input_error_counts_more_than_a_disruption_at_the_same_time():
    ended = ending(pod({"exitCode": 2, "message": "luthier: no"}, conditions=disrupted("PreemptionByScheduler")))
    assert (ended.exit_code, ended.last_line) == (2, "luthier: no")
