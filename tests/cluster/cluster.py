"""One namespace of a real cluster: what the tests do to it, and waits that end and say what they saw."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.cluster.state import describe

Object = dict[str, Any]
GPU = "nvidia.com/gpu"
POLL_S = 1.0


class Cluster:
    """The cluster of KUBECONFIG's current context.

    Attributes:
        namespace: The one that everything here is about.
    """

    def __init__(self, namespace: str) -> None:
        from kubernetes import client, config

        self.namespace = namespace
        self.api = config.new_client_from_config()
        self._core, self._batch = client.CoreV1Api(self.api), client.BatchV1Api(self.api)

    # --- what is there

    def has_gpus(self) -> bool:
        """Tells whether a node has a GPU to give."""
        nodes = self._items(self._core.list_node)
        return any(int(node["status"].get("allocatable", {}).get(GPU, 0)) for node in nodes)

    def free(self) -> dict[str, dict[str, Decimal]]:
        """Returns the CPUs and the bytes of memory by node that the pods of other namespaces leave."""
        from kubernetes.utils import parse_quantity

        def amounts(of: Object) -> dict[str, Decimal]:
            return {name: parse_quantity(of.get(name, 0)) for name in ("cpu", "memory")}

        nodes = self._items(self._core.list_node)
        left = {node["metadata"]["name"]: amounts(node["status"]["allocatable"]) for node in nodes}
        for pod in self._items(self._core.list_pod_for_all_namespaces):
            node = left.get(pod["spec"].get("nodeName", ""))
            is_over = pod["status"].get("phase") in ("Succeeded", "Failed")
            if node is None or is_over or pod["metadata"]["namespace"] == self.namespace:
                continue
            for container in pod["spec"]["containers"]:
                for name, amount in amounts((container.get("resources") or {}).get("requests") or {}).items():
                    node[name] -= amount
        return left

    def job(self, name: str) -> Object | None:
        """Returns a Job; None where there is none of the name."""
        with _nothing_there():
            found: Object = json.loads(
                self._batch.read_namespaced_job(name, self.namespace, _preload_content=False).data
            )
            return found
        return None

    def jobs(self) -> list[Object]:
        return self._items(self._batch.list_namespaced_job, self.namespace)

    def pods(self, job: str = "") -> list[Object]:
        """Returns the pods of a Job, the oldest first; all pods without one."""
        selector = f"batch.kubernetes.io/job-name={job}" if job else ""
        found = self._items(self._core.list_namespaced_pod, self.namespace, label_selector=selector)
        return sorted(found, key=lambda pod: pod["metadata"]["creationTimestamp"])

    def events(self) -> list[Object]:
        return self._items(self._core.list_namespaced_event, self.namespace)

    def log(self, pod: str, lines: int = 10_000) -> str:
        """Returns the end of a pod's log; nothing of one that has not started, or is gone."""
        with _nothing_there(400, 404):
            answer = self._core.read_namespaced_pod_log(pod, self.namespace, tail_lines=lines, _preload_content=False)
            return str(answer.data.decode(errors="replace"))
        return ""

    def job_log(self, job: str) -> str:
        """Returns the logs of a Job's pods, the oldest first."""
        return "".join(self.log(pod["metadata"]["name"]) for pod in self.pods(job))

    # --- what is done to it

    def apply(self, folder: Path) -> None:
        """`kubectl apply -k`; refusals are told as they are."""
        done = subprocess.run(["kubectl", "apply", "-k", str(folder)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "would violate PodSecurity" not in done.stderr, done.stderr

    def create_job(self, body: Object) -> str:
        """Creates a Job and returns its name."""
        made = self._batch.create_namespaced_job(self.namespace, body, field_validation="Strict")
        return str(made.metadata.name)

    def suspend(self, job: str, is_suspended: bool) -> None:
        """What `kubectl patch job NAME -p '{"spec":{"suspend":true}}'` does."""
        self._batch.patch_namespaced_job(job, self.namespace, {"spec": {"suspend": is_suspended}})

    def annotate(self, job: str, annotations: dict[str, str]) -> None:
        self._batch.patch_namespaced_job(job, self.namespace, {"metadata": {"annotations": annotations}})

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Runs kubectl in the namespace and returns what it prints; its refusal is told as it is."""
        command = ["kubectl", "-n", self.namespace, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def cancel(self, seconds: float, *jobs: str) -> None:
        """Deletes the Jobs that there are, and waits until their pods are gone as well."""
        for job in jobs:
            with _nothing_there():
                self._batch.delete_namespaced_job(job, self.namespace, propagation_policy="Foreground")
        for job in jobs:
            self.wait(
                f"Job {job} and its pods are gone", lambda job=job: not (self.job(job) or self.pods(job)), seconds
            )

    def kill(self, pod: str) -> None:
        """Ends a pod without letting it save anything."""
        self._core.delete_namespaced_pod(pod, self.namespace, grace_period_seconds=0)

    def evict(self, pod: str) -> None:
        """Ends a pod as `kubectl drain` does: with its grace period, and a DisruptionTarget."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        self._core.create_namespaced_pod_eviction(pod, self.namespace, body)

    def delete_namespace(self, seconds: float = 300.0) -> None:
        """Deletes the namespace, with all that is in it, and waits until it is gone."""
        end = time.monotonic() + seconds
        with _nothing_there():
            self._core.delete_namespace(self.namespace)
            while True:
                last = self._core.read_namespace(self.namespace)
                if time.monotonic() > end:
                    raise AssertionError(
                        f"namespace {self.namespace} is still there after {seconds:.0f} s: {last.status}"
                    )
                time.sleep(POLL_S)

    # --- waiting

    def wait(self, what: str, happened: Callable[[], object], seconds: float, job: str = "") -> None:
        """Waits until something happened, and no longer than it can.

        Args:
            what: Is waited for, in words.
            happened: Returns something true when it has.
            seconds: The longest to wait.
            job: Ends the waiting when it fails: nothing will come any more.

        Raises:
            AssertionError: It did not happen. Has the Jobs, pods, events and logs of the namespace.
        """
        end = time.monotonic() + seconds
        while not happened():
            if job and self.is_failed(job):
                raise AssertionError(f"Job {job} failed, so this will not happen: {what}\n{describe(self)}")
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{describe(self)}")
            time.sleep(POLL_S)

    def pods_running(self, job: str) -> list[str]:
        """Returns the pods of a Job that run."""
        return [pod["metadata"]["name"] for pod in self.pods(job) if pod["status"].get("phase") == "Running"]

    def pods_alive(self, job: str) -> list[str]:
        """Returns the pods of a Job that have not ended."""
        phases = {pod["metadata"]["name"]: pod["status"].get("phase") for pod in self.pods(job)}
        return [name for name, phase in phases.items() if phase in ("Pending", "Running")]

    def wait_for_end(self, job: str, seconds: float) -> None:
        """Waits until a Job is complete."""
        self.wait(f"Job {job} is complete", lambda: self.is_complete(job), seconds, job)

    def wait_for_log(self, job: str, pattern: str, seconds: float) -> re.Match[str]:
        """Waits until a Job's pods have logged something, and returns it."""
        self.wait(f"the log of Job {job} has '{pattern}'", lambda: re.search(pattern, self.job_log(job)), seconds, job)
        found = re.search(pattern, self.job_log(job))
        assert found, f"'{pattern}' was in the log of Job {job}, and is not any more"
        return found

    def is_complete(self, job: str) -> bool:
        return has_condition(self.job(job), "Complete")

    def is_failed(self, job: str) -> bool:
        return has_condition(self.job(job), "Failed")

    def _items(self, call: Callable[..., Any], *arguments: str, **options: Any) -> list[Object]:
        items: list[Object] = json.loads(call(*arguments, _preload_content=False, **options).data)["items"]
        return items


def has_condition(body: Object | None, kind: str) -> bool:
    """Tells whether an object is in a condition, such as a Job in "Complete", "Failed" or "Suspended"."""
    conditions = (body or {}).get("status", {}).get("conditions") or []
    return any(entry["type"] == kind and entry["status"] == "True" for entry in conditions)


@contextmanager
def _nothing_there(*codes: int) -> Iterator[None]:
    """Takes it that the server has no such object; or does not have it yet, where another code says so."""
    from kubernetes.client.exceptions import ApiException

    try:
        yield
    except ApiException as error:
        if error.status not in (codes or (404,)):
            raise
