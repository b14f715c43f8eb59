"""One training that a run does: what the plan of a run tells the task that does it, as one line of text.

Text, because a loop of Kubeflow Pipelines runs over texts, and because KFP's local runner (2.17) passes nothing else
from another task into a loop.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from components.artifacts.training_dir import TrainingDir, training_name
from components.core.errors import InputError


@dataclass(frozen=True)
class PlannedTraining:
    """A training to do.

    Attributes:
        family: Instrument family.
        synth: Synthesizer.
        run_uri: The run's directory, the parent of the training's.
        data_uri: Root of the sorted set.
        preset: Preset.
        bindings: Gin bindings of the training.
        warm_start: The training whose weights it begins with; "" for none.
        others_uri: A sorted set with other families for the evaluation; "" for none.
        is_conditional: The data was not sorted yet when the run was planned: a family without records is left out.
        if_new_to: The synths of the run, all of which must be registered for the training to be left out; empty where
            the plan has decided that already.
    """

    family: str
    synth: str
    run_uri: str
    data_uri: str
    preset: str
    bindings: tuple[str, ...] = ()
    warm_start: str = ""
    others_uri: str = ""
    is_conditional: bool = False
    if_new_to: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For instance "string-harmonic"."""
        return training_name(self.family, self.synth)

    @property
    def training_dir(self) -> TrainingDir:
        return TrainingDir.of(self.run_uri, self.family, self.synth)

    def to_text(self) -> str:
        """Returns the training as a line of JSON, without what is empty."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def from_text(cls, text: str) -> PlannedTraining:
        """Reads what `to_text` wrote. InputError for anything else."""
        try:
            values = json.loads(text)
            lists = {name: tuple(values[name]) for name in ("bindings", "if_new_to") if name in values}
            return cls(**{**values, **lists})
        except (ValueError, TypeError) as error:
            raise InputError(f"'{text}' is not a training of a run's plan ({error}): run the pipeline again") from None
