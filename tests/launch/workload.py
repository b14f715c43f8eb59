"""A Job and its pods on the simulated cluster, with methods for what controllers and kubelets do to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from components import storage
from components.artifacts.training_dir import TrainingDir
from components.nsynth.sorted_set import SortedSet
from tests.records import finished_record

TAKEN_AWAY = "DisruptionTarget"


class Workload:
    """A Job that the launcher created."""

    def __init__(self, server, job: dict) -> None:
        self.server, self.name, self.uid = server, job["metadata"]["name"], job["metadata"]["uid"]
        self._numbers = count(1)

    @property
    def job(self) -> dict:
        return self.server.read("jobs", self.name)

    def change(self, change: Callable[[dict], object]) -> None:
        with self.server.changed:
            job = self.job
            change(job)
            self.server.put("jobs", job)

    def pod(self, index: int | None = None, node: str | None = None) -> Pod:
        template = self.job["spec"]["template"]
        suffix = f"{index}-" if index is not None else ""
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/controller-uid": self.uid}
        if index is not None:
            labels["batch.kubernetes.io/job-completion-index"] = str(index)
        metadata = {"name": f"{self.name}-{suffix}{next(self._numbers):05d}", "labels": labels}
        self.server.put("pods", {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending"}})
        pod = Pod(self.server, metadata["name"])
        return pod.placed(node) if node else pod

    def condition(self, kind: str, reason: str = "", message: str = "") -> None:
        def change(job: dict) -> None:
            entry = {"type": kind, "status": "True", "reason": reason, "message": message}
            job["status"].setdefault("conditions", []).append(entry)

        self.change(change)

    def complete(self) -> None:
        self.condition("Complete", "CompletionsReached")

    def fail(self, reason: str, message: str = "", failed: int = 1) -> None:
        self.change(lambda job: job["status"].update(failed=failed))
        self.condition("Failed", reason, message)

    def suspend(self, is_suspended: bool) -> None:
        self.change(lambda job: job["spec"].update(suspend=is_suspended))

    def event(self, reason: str, message: str, kind: str = "Job", name: str = "", uid: str = "", **more: str) -> None:
        involved = {"kind": kind, "name": name or self.name, "uid": uid or self.uid}
        metadata = {"name": f"{self.name}.{time.monotonic_ns():x}"}
        body = {
            "metadata": metadata,
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": "Warning",
            **more,
        }
        self.server.put("events", body)

    def trained(self, **fields: object) -> None:
        """Writes the run.json that the trainer leaves, from the Job's own arguments."""
        job = self.job
        container = job["spec"]["template"]["spec"]["containers"][0]
        arguments = container["args"][1:]
        pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
        flags = dict(pairs)
        bindings = [value for flag, value in pairs if flag == "--set"]
        data = SortedSet.open(flags["--data"])
        record = finished_record(
            flags["--family"],
            flags["--synth"],
            steps=30,
            valid_loss=9.5,
            preset=flags["--preset"],
            bindings=tuple(bindings),
            data_fingerprint=data.family_fingerprint(flags["--family"]),
        )
        record = replace(record, **fields)
        storage.write_json(TrainingDir(flags["--out"]).record_uri, record.as_dict())


class Pod:
    """A pod of the Job."""

    def __init__(self, server, name: str) -> None:
        self.server, self.name = server, name
        self.uid = server.read("pods", name)["metadata"]["uid"]

    def change(self, change: Callable[[dict], object]) -> Pod:
        with self.server.changed:
            pod = self.server.read("pods", self.name)
            change(pod)
            self.server.put("pods", pod)
        return self

    def condition(self, kind: str, status: str, reason: str, message: str = "") -> Pod:
        def change(pod: dict) -> None:
            conditions = [entry for entry in pod["status"].get("conditions", []) if entry["type"] != kind]
            entry = {"type": kind, "status": status, "reason": reason, "message": message}
            pod["status"]["conditions"] = [*conditions, entry]

        return self.change(change)

    def unschedulable(self, message: str) -> Pod:
        return self.condition("PodScheduled", "False", "Unschedulable", message)

    def placed(self, node: str) -> Pod:
        self.change(lambda pod: pod["spec"].update(nodeName=node))
        return self.condition("PodScheduled", "True", "")

    def state(self, state: dict) -> Pod:
        def change(pod: dict) -> None:
            image = pod["spec"]["containers"][0]["image"]
            pod["status"]["containerStatuses"] = [{"name": "trainer", "image": image, "state": state}]

        return self.change(change)

    def waits(self, reason: str, message: str = "") -> Pod:
        return self.state({"waiting": {"reason": reason, "message": message}})

    def runs(self) -> Pod:
        self.change(lambda pod: pod["status"].update(phase="Running"))
        return self.state({"running": {"startedAt": "2026-01-01T00:00:00Z"}})

    def says(self, *lines: str, at_ns: int | None = None) -> Pod:
        with self.server.changed:
            self.server.logs[self.name].lines += [(at_ns or time.time_ns(), line) for line in lines]
            self.server.changed.notify_all()
        return self

    def ends(self, code: int, reason: str | None = None, message: str = "") -> Pod:
        with self.server.changed:
            self.server.logs[self.name].is_over = True
            terminated = {
                "exitCode": code,
                "reason": reason or ("Completed" if not code else "Error"),
                "message": message,
            }
            self.state({"terminated": terminated})
            self.change(lambda pod: pod["status"].update(phase="Failed" if code else "Succeeded"))
        return self

    def removed(self) -> None:
        self.server.remove("pods", self.name)


class Controllers:
    """Runs `simulate` in a thread for each Job that is created; an error in it fails the test."""

    def __init__(self, server) -> None:
        self.server = server
        self.workloads: list[Workload] = []
        self.errors: list[BaseException] = []
        self.threads: list[threading.Thread] = []
        self.simulate: Callable[[Workload], object] = lambda workload: None
        server.created, server.deleted = self._created, self._deleted

    def _created(self, job: dict) -> None:
        workload = Workload(self.server, job)
        thread = threading.Thread(target=self._simulate, args=(workload,), daemon=True)
        self.threads.append(thread)
        thread.start()
        self.workloads.append(workload)  # which is what tests wait for

    def join(self) -> None:
        """Waits until everything that was to happen has happened."""
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "it still waits for what does not happen"

    def _simulate(self, workload: Workload) -> None:
        try:
            self.simulate(workload)
        except BaseException as error:
            self.errors.append(error)
            if workload.job:
                workload.fail("BrokenTest", repr(error))

    def _deleted(self, job: dict) -> None:
        self.later(lambda: time.sleep(0.05), then=lambda: self.collect(job))

    def collect(self, job: dict) -> None:
        """Deletes the pods of a Job, then the Job, as the garbage collector does."""
        for name, pod in list(self.server.objects["pods"].items()):
            if pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] == job["metadata"]["uid"]:
                self.server.logs[name].is_over = True
                self.server.remove("pods", name)
        self.server.remove("jobs", job["metadata"]["name"])

    def later(self, wait: Callable[[], object], then: Callable[[], object]) -> threading.Thread:
        """Runs `then` after `wait`, in a thread."""

        def run() -> None:
            try:
                wait()
                then()
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread
