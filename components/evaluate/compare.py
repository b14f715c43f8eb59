"""Sets the trainings of a run side by side in one report. Only files are read: no TensorFlow, a second or two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components import storage
from components.core.errors import InputError
from components.evaluate.report import write_report
from components.evaluate.training import Training, winner_of


@dataclass(frozen=True)
class CompareResult:
    """The report, the synth that won in each family, and what could not be compared."""

    report_uri: str
    winners: dict[str, str]
    missing: list[str]

    def text(self) -> str:
        """Returns one line for a person."""
        won = ", ".join(f"{family}: {synth}" for family, synth in self.winners.items()) or "nothing to compare"
        return won + (f"; missing: {', '.join(self.missing)}" if self.missing else "")


def compare(training_uris: Sequence[str], out_uri: str) -> CompareResult:
    """Compares trainings, family by family.

    Args:
        training_uris: Training directories <family>-<synth>. The report says which of them lack something.
        out_uri: Where report.html goes.

    Raises:
        InputError: No training at all is named.
    """
    if not training_uris:
        raise InputError("nothing to compare: got no training, expected the URI of one or more")
    trainings = [Training.load(uri) for uri in training_uris]
    winners = {}
    for family in dict.fromkeys(training.family for training in trainings):
        winner = winner_of([training for training in trainings if training.family == family])
        if winner:
            winners[family] = winner.synth
    missing = [storage.basename(training.uri) for training in trainings if training.missing()]
    return CompareResult(write_report(trainings, out_uri, "Listening report"), winners, missing)
