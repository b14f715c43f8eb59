"""The trainings of a run: where they are, whether all are done, and which failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.artifacts import failure
from components.artifacts.evaluation import is_trained_and_evaluated
from components.artifacts.training_dir import TrainingDir
from components.core.errors import InputError, StepError


@dataclass(frozen=True)
class Run:
    """What a run has trained.

    Attributes:
        run_uri: Its directory.
        families: The families.
        synths: The synths of each.
        sorted_uri: Root of the sorted set.
    """

    run_uri: str
    families: Sequence[str]
    synths: Sequence[str]
    sorted_uri: str

    def trainings(self, family: str) -> list[TrainingDir]:
        """Returns the training directories of a family, of which any may be missing."""
        return [TrainingDir.of(self.run_uri, family, synth) for synth in self.synths]

    def failed(self) -> dict[str, failure.Failure]:
        """Returns why trainings failed, by name."""
        every = [training for family in self.families for training in self.trainings(family)]
        return {
            each.name: found for each in every if not is_trained_and_evaluated(each) and (found := failure.read(each))
        }

    def is_complete(self) -> bool:
        """Returns whether every training is finished and evaluated."""
        return all(is_trained_and_evaluated(each) for family in self.families for each in self.trainings(family))


def raise_failures(run: Run) -> None:
    """Raises an error that says which trainings failed and why, the first one in full.

    Raises:
        InputError: The input is at fault in all of them.
        StepError: Otherwise.
    """
    failed = run.failed()
    if not failed:
        raise StepError(
            f"trainings of '{run.run_uri}' failed, and their directories do not say why; see the logs of their steps"
        )
    name, first = next(iter(failed.items()))
    others = [each for each in failed if each != name]
    more = f" (failed as well: {', '.join(others)})" if others else ""
    is_input = all(each.input_fault for each in failed.values())
    raise (InputError if is_input else StepError)(f"{name}: {first.message}{more}")
