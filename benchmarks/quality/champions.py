"""Whether the product and the judge choose the same synth of each family, where their notes tell the synths apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quality.arrays import Verdict
from benchmarks.quality.judge import Judged
from benchmarks.quality.trainings import OURS, Case
from components.artifacts.comparison import choose
from components.artifacts.scores import NoteNumbers, Numbers


@dataclass(frozen=True)
class Champions:
    """The best synth of a family by the product's numbers and by the judge's, each with those too close to it."""

    family: str
    seed: int
    product: str
    product_tied: tuple[str, ...]
    judge: str
    judge_tied: tuple[str, ...]

    @property
    def agree(self) -> bool:
        """Whether they choose the same, or one of them cannot tell the two choices apart."""
        return self.product == self.judge or self.judge in self.product_tied or self.product in self.judge_tied

    def text(self) -> str:
        """Returns a row of a table."""
        product, judge = (
            best + (f" (too close: {', '.join(tied)})" if tied else "")
            for best, tied in ((self.product, self.product_tied), (self.judge, self.judge_tied))
        )
        return f"| {self.family} | {self.seed} | {product} | {judge} | {'yes' if self.agree else 'NO'} |"


def champions(verdicts: Mapping[Case, Verdict]) -> list[Champions]:
    """Returns the choices for each family and seed of which several synths were judged."""
    found = []
    for family, seed in dict.fromkeys((case.family, case.seed) for case in verdicts):
        some = {
            case.synth: verdict
            for case, verdict in verdicts.items()
            if (case.whose, case.family, case.seed) == (OURS, family, seed) and verdict.product
        }
        if len(some) > 1:
            product = _choice({synth: _of_product(verdict) for synth, verdict in some.items()})
            judged = _choice({synth: _of_judge(verdict.notes) for synth, verdict in some.items()})
            found.append(Champions(family, seed, *product, *judged))
    return found


def markdown(found: Sequence[Champions]) -> str:
    """Returns the choices as a table."""
    head = [
        "| family | seed | best by evaluation.json | best by the judge | agree |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *(each.text() for each in found)])


def _choice(numbers: Mapping[str, list[NoteNumbers]]) -> tuple[str, tuple[str, ...]]:
    synths = list(numbers)
    chosen = choose(list(numbers.values()))
    return synths[chosen.best], tuple(synths[index] for index in chosen.tied)


def _of_product(verdict: Verdict) -> list[NoteNumbers]:
    return [NoteNumbers(str(number), 0, 0, Numbers(**each)) for number, each in enumerate(verdict.product)]


def _of_judge(notes: Sequence[Judged]) -> list[NoteNumbers]:
    """Returns the judge's numbers as those of notes: it has no spectral loss."""
    return [
        NoteNumbers(
            str(number),
            0,
            0,
            Numbers(
                spectral_loss=math.nan,
                log_mel_distance_db=each.log_mel_db,
                mfcc_distance=each.mfcc,
                pitch_error_cents=each.pitch_error_cents,
                pitch_heard_share=None,
                loudness_error_db=each.loudness_error_db,
                noise_balance_db=None,
                silence_level_db=None,
                clipped_share=0.0,
                pitch_within_share=each.pitch_within_share,
            ),
        )
        for number, each in enumerate(notes)
    ]
