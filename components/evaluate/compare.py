"""Compares the trainings of a run in one report. Reads files only, without TensorFlow: takes a second or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components import storage
from components.config.bindings import gate_of
from components.core.errors import InputError
from components.evaluate.play_view import ChampionNote
from components.evaluate.report import write_report
from components.evaluate.training_view import TrainingView, winner_of


@dataclass(frozen=True)
class CompareResult:
    """The report, the winning synth of each family, and the trainings that could not be compared."""

    report_uri: str
    winners: dict[str, str]
    missing: list[str]

    def text(self) -> str:
        """Returns one line for a person."""
        won = ", ".join(f"{family}: {synth}" for family, synth in self.winners.items()) or "nothing to compare"
        return won + (f"; missing: {', '.join(self.missing)}" if self.missing else "")


def compare(
    training_uris: Sequence[str],
    out_uri: str,
    gate_bindings: Sequence[str] = (),
    champions: Mapping[str, ChampionNote | None] | None = None,
) -> CompareResult:
    """Compares trainings, family by family.

    Args:
        training_uris: TrainingView directories <family>-<synth>. The report says what is missing in them.
        out_uri: The directory for report.html.
        gate_bindings: Gin bindings of the gate.
        champions: The champion of each family whose trainings were registered; None where it has none.

    Raises:
        InputError: No training is given, or a binding is refused.
    """
    if not training_uris:
        raise InputError("nothing to compare: got no training, expected the URI of one or more")
    trainings = [TrainingView.load(uri) for uri in training_uris]
    winners, gate = {}, gate_of(gate_bindings)
    for family in dict.fromkeys(training.family for training in trainings):
        winner = winner_of([training for training in trainings if training.family == family], gate)
        if winner:
            winners[family] = winner.synth
    missing = [storage.basename(training.uri) for training in trainings if training.missing()]
    report_uri = write_report(trainings, out_uri, "Listening report", gate_bindings, champions)
    return CompareResult(report_uri, winners, missing)
