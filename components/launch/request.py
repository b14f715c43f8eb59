"""What to train, and on what: the options of `luthier launch` as checked values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from components import storage
from components.artifacts.training_dir import training_name
from components.config.bindings import check_bindings
from components.config.catalog import check_preset, check_synth
from components.core.errors import InputError
from components.core.fingerprint import content_fingerprint
from components.launch import labels
from components.nsynth.families import check_family
from components.nsynth.sorted_set import SortedSet

# A DNS label has 63 characters, and the pods of an Indexed Job are named "<job>-<index>".
_LONGEST_JOB_NAME = 59
_LONGEST_DERIVED_RUN = 24


@dataclass(frozen=True)
class TrainingRequest:
    """One training of one run.

    Attributes:
        run_id: The run that it belongs to; a valid label value.
        family: Instrument family to train on.
        synth: A name of catalog.SYNTHS.
        data_uri: Root of the sorted set.
        data_fingerprint: Fingerprint of the family's records in the set, as in run.json.
        out_uri: The training directory.
        preset: A name of catalog.PRESETS.
        bindings: Gin bindings on top of the preset.
        warm_start: URI of the training or model whose weights it starts from; "" for random weights.
        evaluates: Whether its process also evaluates the model, as in a pipeline.
        others_uri: A sorted set with other families for the evaluation; "" for none.
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
    evaluates: bool = False
    others_uri: str = ""

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
        evaluates: bool = False,
        others_uri: str = "",
    ) -> TrainingRequest:
        """Returns a request whose values were checked, so that no pod on a GPU has to find a mistake in them.

        Raises:
            InputError: A name is unknown, a binding is not allowed, the run id is no label, or there is no such data.
        """
        check_synth(synth)
        check_preset(preset)
        check_bindings(bindings)
        check_family(family)
        run_id = derived_run_id(out_uri, family, synth) if run_id is None else run_id
        labels.check_value(run_id, "--run")
        data = SortedSet.open(data_uri)
        present = [name for name, records in data.families("train").items() if records]
        if family not in present:
            has = ", ".join(present) or "nothing"
            raise InputError(f"'{data_uri}' has no {family} in its train split; it has {has}")
        fingerprint = data.family_fingerprint(family)
        return cls(
            run_id=run_id,
            family=family,
            synth=synth,
            data_uri=data_uri,
            data_fingerprint=fingerprint,
            out_uri=out_uri,
            preset=preset,
            bindings=tuple(bindings),
            warm_start=warm_start,
            evaluates=evaluates,
            others_uri=others_uri,
        )

    @property
    def name(self) -> str:
        """Family and synth: "string-harmonic"."""
        return training_name(self.family, self.synth)

    @property
    def job_name(self) -> str:
        """Name of its Job."""
        return job_name(self.run_id, self.family, self.synth)

    def arguments(self) -> list[str]:
        """Returns the arguments of `luthier` that train it."""
        command = "train-and-evaluate" if self.evaluates else "train"
        arguments = [command, "--data", self.data_uri, "--synth", self.synth, "--family", self.family]
        arguments += ["--out", self.out_uri, "--preset", self.preset]
        arguments += ["--warm-start", self.warm_start] if self.warm_start else []
        arguments += ["--others", self.others_uri] if self.others_uri else []
        return arguments + [word for binding in self.bindings for word in ("--set", binding)]

    def command_line(self) -> str:
        """Returns the command that trains it, quoted for a shell."""
        return shlex.join(["luthier", *self.arguments()])

    def labels(self) -> dict[str, str]:
        """Returns the labels of its Job and pods."""
        return {
            labels.APP_NAME: labels.TRAINER,
            labels.APP_PART_OF: labels.LUTHIER,
            labels.APP_COMPONENT: labels.TRAINING,
            labels.APP_MANAGED_BY: labels.LUTHIER,
            labels.APP_INSTANCE: self.job_name,
            labels.RUN: self.run_id,
            labels.FAMILY: self.family,
            labels.SYNTH: self.synth,
            labels.DATA_FINGERPRINT: self.data_fingerprint[: labels.LONGEST_VALUE],
        }


@dataclass(frozen=True)
class Placement:
    """On what the Job runs. These values replace those of its template.

    Attributes:
        image: Container image of the trainer; None for the template's, else that of LUTHIER_TRAIN_IMAGE.
        queue: A LocalQueue of Kueue.
        priority_class: A WorkloadPriorityClass of Kueue where the Job has a queue, its own or its template's; otherwise
            a PriorityClass.
        nodes: Number of pods that train together.
        gpus: GPUs of each pod; None for as many as the template has, 0 for none.
    """

    image: str | None = None
    queue: str | None = None
    priority_class: str | None = None
    nodes: int = 1
    gpus: int | None = None

    @classmethod
    def of_form(cls, gpus: str, queue: str, priority_class: str) -> Placement:
        """Returns the placement that a form's texts say; "" for what the template has. InputError for a wrong one."""
        if gpus and not gpus.isdecimal():
            raise InputError(f"parameter 'gpus' is '{gpus}': expected a whole number from 0, or nothing")
        if queue:
            labels.check_value(queue, "parameter 'queue'")
        return cls(queue=queue or None, priority_class=priority_class or None, gpus=int(gpus) if gpus else None)

    def check(self) -> None:
        """Raises InputError where a value is out of range, or the queue is no label."""
        if self.nodes < 1:
            raise InputError(f"--nodes is {self.nodes}, expected 1 or more")
        if self.gpus is not None and self.gpus < 0:
            raise InputError(f"--gpus is {self.gpus}, expected 0 or more")
        if self.queue is not None:
            labels.check_value(self.queue, "--queue")


def job_name(run_id: str, family: str, synth: str) -> str:
    """Returns the name of a training's Job, for instance "luthier-smoke-1a2b-string-harmonic".

    The same training always has the same name. A run id that is too long, or has characters that a name cannot have,
    is shortened, and a hash keeps the names of two such runs apart.
    """
    end = f"{_slug(family)}-{_slug(synth)}"
    run = _slug(run_id)
    if run != run_id or len(f"luthier-{run}-{end}") > _LONGEST_JOB_NAME:
        digest = _digest(run_id, 8)
        room = _LONGEST_JOB_NAME - len(f"luthier--{digest}-{end}")
        run = f"{run[:room].strip('-')}-{digest}".strip("-")
    return f"luthier-{run}-{end}"


def derived_run_id(out_uri: str, family: str, synth: str) -> str:
    """Returns a run id for a training without one: the name of the run's directory, and a hash of the whole URI."""
    parent, last = out_uri.rstrip("/").rpartition("/")[0], storage.basename(out_uri)
    name = storage.basename(parent) if last == training_name(family, synth) else last
    return f"{_slug(name)[:_LONGEST_DERIVED_RUN].strip('-')}-{_digest(out_uri.rstrip('/'), 6)}".strip("-")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _digest(text: str, digits: int) -> str:
    return content_fingerprint([text.encode()], digits)
