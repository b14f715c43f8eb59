"""Trainings that tests launch from pods of the cluster, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.launch.request import job_name
from tests.cluster import overlay
from tests.cluster.cluster import Cluster
from tests.cluster.overlay import Images

PULL_S = 900.0  # the train image is a few GB
START_S = 300.0
TRAIN_S = 1200.0
# Long enough to be disturbed on any machine; it is cancelled as soon as the test has seen enough.
LONG = ("train.max_steps = 1000000", "train.checkpoint_every_s = 2")


class Launches:
    """Launches trainings from pods, and cancels them after the test."""

    def __init__(self, cluster: Cluster, images: Images, data: str) -> None:
        self._cluster, self._images, self._data = cluster, images, data
        self._launchers: list[str] = []
        self._trainings: list[str] = []

    def __call__(
        self,
        run: str,
        family: str,
        synth: str,
        bindings: Sequence[str] = (),
        options: Sequence[str] = (),
        resources: Mapping[str, Any] | None = None,
    ) -> tuple[str, str]:
        """Launches a training of preset smoke; returns the names of the launcher's Job and the training's.

        Args:
            run: Its run.
            family: Its family.
            synth: Its synth.
            bindings: Gin bindings.
            options: Further options of `luthier launch`.
            resources: Of the launcher's container; those of overlays/kind if None.
        """
        training = job_name(run, family, synth)
        launcher = self.launcher([*self.arguments(run, family, synth, bindings), *options], resources)
        self._trainings.append(training)
        self._cluster.wait(
            f"the launcher creates Job {training}", lambda: self._cluster.job(training), START_S, launcher
        )
        return launcher, training

    def arguments(self, run: str, family: str, synth: str, bindings: Sequence[str] = ()) -> list[str]:
        """Returns the arguments of `luthier` that launch a training."""
        arguments = ["launch", f"--data={self._data}", f"--family={family}", f"--synth={synth}", "--preset=smoke"]
        arguments += [f"--run={run}", f"--out=gs://luthier/workspace/runs/{run}/{family}-{synth}"]
        return arguments + [f"--set={binding}" for binding in bindings]

    def launcher(
        self, arguments: Sequence[str], resources: Mapping[str, Any] | None = None, retries: int | None = None
    ) -> str:
        """Creates a launcher's Job and returns its name."""
        body = overlay.job("launch", self._images.data, *arguments)
        (container,) = body["spec"]["template"]["spec"]["containers"]
        container["resources"] = resources or container["resources"]
        body["spec"]["backoffLimit"] = body["spec"]["backoffLimit"] if retries is None else retries
        self._launchers.append(self._cluster.create_job(body))
        return self._launchers[-1]

    def cancels(self, training: str) -> None:
        """Cancels a training after the test that something else launched."""
        self._trainings.append(training)

    def cancel(self) -> None:
        """Deletes the launchers, and then the trainings: the first would launch the second again."""
        self._cluster.cancel(START_S, *self._launchers)
        self._cluster.cancel(START_S, *self._trainings)


def running(cluster: Cluster, training: str) -> str:
    """Waits until a training has told of its steps twice, with checkpoints in between; returns the name of its pod."""
    cluster.wait_for_log(training, r"(?s)train \w+-\w+: \d.*train \w+-\w+: \d", PULL_S)
    return str(cluster.pods(training)[-1]["metadata"]["name"])


def replaced(cluster: Cluster, job: str, earlier: str, seconds: float = START_S) -> None:
    """Waits until a Job has another pod."""
    cluster.wait(
        f"Job {job} has another pod than {earlier}",
        lambda: cluster.pods(job) and cluster.pods(job)[-1]["metadata"]["name"] != earlier,
        seconds,
        job,
    )


def continues(cluster: Cluster, training: str, earlier: str, seconds: float = START_S) -> int:
    """Waits until another pod resumes a training; returns the step that it resumes at."""
    replaced(cluster, training, earlier, seconds)
    found = cluster.wait_for_log(training, r"\w+-\w+ resumes at step (\d+)", START_S)
    return int(found[1])
