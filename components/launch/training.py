"""What is to be trained, and where: the words of `luthier launch` as values."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from components.config.bindings import check_bindings
from components.config.catalog import check_preset, check_synth
from components.core.errors import InputError
from components.launch import names
from components.nsynth.families import check_family
from components.nsynth.sorted_set import SortedSet


@dataclass(frozen=True)
class Training:
    """One training of one run.

    Attributes:
        run_id: The run that it belongs to; a label's value.
        family: What it is trained on.
        synth: What is trained.
        data_uri: Root of the sorted set.
        data_fingerprint: Of the family's records in the set, as the trainer has it in run.json.
        out_uri: The training directory.
        preset: A name of catalog.PRESETS.
        bindings: Gin bindings on top.
        warm_start: A training or model whose weights it begins with; "" for none.
    """

    run_id: str
    family: str
    synth: str
    data_uri: str
    data_fingerprint: str
    out_uri: str
    preset: str
    bindings: tuple[str, ...]
    warm_start: str = ""

    @classmethod
    def checked(
        cls,
        data_uri: str,
        family: str,
        synth: str,
        out_uri: str,
        preset: str,
        bindings: Sequence[str],
        run_id: str | None,
        warm_start: str = "",
    ) -> Training:
        """Returns a training that can be launched: what is wrong here would else be found out by a pod on a GPU.

        Raises:
            InputError: A name is unknown, a binding refused, the run id no label, or the data is not there.
        """
        check_synth(synth)
        check_preset(preset)
        check_bindings(bindings)
        check_family(family)
        run_id = names.run_id_of(out_uri, family, synth) if run_id is None else run_id
        names.check_label_value(run_id, "--run")
        data = SortedSet.open(data_uri)
        present = [name for name, records in data.families("train").items() if records]
        if family not in present:
            has = ", ".join(present) or "nothing"
            raise InputError(f"'{data_uri}' has no {family} in its train split; it has {has}")
        fingerprint = data.family_fingerprint(family)
        return cls(run_id, family, synth, data_uri, fingerprint, out_uri, preset, tuple(bindings), warm_start)

    @property
    def name(self) -> str:
        """Family and synth, as everywhere: "string-harmonic"."""
        return f"{self.family}-{self.synth}"

    @property
    def job_name(self) -> str:
        """The name of its Job."""
        return names.job_name(self.run_id, self.family, self.synth)

    def arguments(self) -> list[str]:
        """Returns the arguments of `luthier` that train it."""
        arguments = ["train", "--data", self.data_uri, "--synth", self.synth, "--family", self.family]
        arguments += ["--out", self.out_uri, "--preset", self.preset]
        arguments += ["--warm-start", self.warm_start] if self.warm_start else []
        return arguments + [word for binding in self.bindings for word in ("--set", binding)]

    def command_line(self) -> str:
        """Returns the command that trains it, for a person to read or to run."""
        return shlex.join(["luthier", *self.arguments()])

    def labels(self) -> dict[str, str]:
        """Returns the labels that find its Job and pods."""
        return {
            "app.kubernetes.io/name": "luthier-trainer",
            "app.kubernetes.io/part-of": "luthier",
            "app.kubernetes.io/component": "training",
            "app.kubernetes.io/managed-by": "luthier",
            "app.kubernetes.io/instance": self.job_name,
            "luthier.dev/run": self.run_id,
            "luthier.dev/family": self.family,
            "luthier.dev/synth": self.synth,
            "luthier.dev/data-fingerprint": self.data_fingerprint[:63],
        }


@dataclass(frozen=True)
class Placement:
    """How the Job is to run, over what its template says.

    Attributes:
        image: The trainer's image; None for the template's, else that of LUTHIER_TRAIN_IMAGE.
        queue: A Kueue LocalQueue.
        priority_class: A PriorityClass.
        nodes: Pods that train together.
        gpus: GPUs of each pod; None for what the template says, 0 for none.
    """

    image: str | None = None
    queue: str | None = None
    priority_class: str | None = None
    nodes: int = 1
    gpus: int | None = None

    def check(self) -> None:
        """Raises InputError where a value cannot be."""
        if self.nodes < 1:
            raise InputError(f"--nodes is {self.nodes}, expected 1 or more")
        if self.gpus is not None and self.gpus < 0:
            raise InputError(f"--gpus is {self.gpus}, expected 0 or more")
        if self.queue is not None:
            names.check_label_value(self.queue, "--queue")
