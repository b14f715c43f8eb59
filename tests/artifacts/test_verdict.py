"""The verdict in words, from evaluations whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.artifacts.evaluation import Evaluation
from components.artifacts.model_card import ModelCard
from components.artifacts.scores import LABEL_WRONG, Steady
from components.artifacts.verdict import NOT_YET, READY, ROUGH, family_verdict, training_verdict
from components.config.gate import Gate
from tests.artifacts.test_comparison import notes

STEADY = Steady(aliasing_db=-80.0, aliasing_pitch=96, wobble_db=1.0, wobble_pitch=60, silence_db=-90.0)


def evaluation(synth: str = "harmonic", count: int = 12, factor: float = 1.0, **more: float) -> Evaluation:
    """An evaluation; without further numbers, of a model that is ready."""
    return Evaluation(
        model=ModelCard("brass", synth, steps=340),
        split="test",
        data_fingerprint="1",
        notes_fingerprint="1",
        notes=notes(count, 0.9 * factor, **{"level_bias_db": -0.5, **more}),
        summary={},
        groups={},
        worst=[],
        samples=[],
        transfers=[],
        steady=STEADY,
        train_notes=150,
    )


def test_a_good_model_is_ready() -> None:
    found = training_verdict(evaluation(), Gate())
    assert (found.word, found.failures, found.shortfalls) == (READY, (), ())
    assert "luthier transfer" in found.next_step


@pytest.mark.parametrize(
    ("given", "word", "said", "step"),
    [
        ({"level_bias_db": -5.2}, ROUGH, "it is 5.2 dB too quiet", "5 dB too quiet after 340 steps: train longer"),
        ({"level_bias_db": -17.7}, NOT_YET, "it is 17.7 dB too quiet, the limit is at most 6 dB", "18 dB too quiet"),
        ({"pitch_within_share": 0.2}, NOT_YET, "its pitch is right in 20 % of the frames", "train longer"),
        (
            {"pitch_heard_share": 0.1},
            NOT_YET,
            "a pitch is heard in 10 % of the frames",
            "fallen silent: train it again",
        ),
        ({"factor": 1.6}, ROUGH, "its spectrum is 8.6 dB off", "After 340 steps: train longer"),
    ],
)
def test_what_is_wrong_and_what_helps(given: dict[str, float], word: str, said: str, step: str) -> None:
    found = training_verdict(evaluation(**given), Gate())
    assert found.word == word
    assert any(said in each for each in [*found.failures, *found.shortfalls])
    assert step in found.next_step


def test_few_recordings_and_wrong_labels_come_first() -> None:
    rough = evaluation(factor=1.6)
    step = training_verdict(replace(rough, train_notes=45), Gate()).next_step
    assert step == "3 minutes of recordings make a rough model: 10 minutes make a good one."
    assert (
        "Less than a minute of recordings is too little"
        in training_verdict(replace(rough, train_notes=10), Gate()).next_step
    )
    wrong = [replace(note, pitch_finding=LABEL_WRONG) for note in rough.notes[:6]] + rough.notes[6:]
    assert "wrong pitch for 50% of the notes" in training_verdict(replace(rough, notes=wrong), Gate()).next_step


def test_a_wrong_label_is_not_the_models_fault() -> None:
    found = evaluation()
    octave = replace(found.notes[0].numbers, pitch_error_cents=1200.0, pitch_within_share=0.0)
    wrong = [replace(note, numbers=octave, pitch_finding=LABEL_WRONG) for note in found.notes[:7]] + found.notes[7:]
    assert training_verdict(replace(found, notes=wrong), Gate()).failures == ()


def test_the_family_names_the_best_or_says_that_it_is_too_close() -> None:
    clear = family_verdict(
        "brass", {"harmonic": evaluation(), "wavetable": evaluation("wavetable", factor=1.5)}, Gate()
    )
    assert (clear.headline, clear.best, clear.too_close) == ("Brass: harmonic is ready", "harmonic", ())
    assert "Wavetable is" in clear.comparison and "farther from the recordings" in clear.comparison
    two = {"harmonic": evaluation(count=2), "sinusoidal": evaluation("sinusoidal", 2, 0.97, pitch_within_share=0.9)}
    close = family_verdict("brass", two, Gate())
    assert close.headline.startswith("Brass: ") and "are too close to call" in close.headline
    assert len(close.too_close) == 1
    assert "is ahead in" in close.comparison


def test_who_fails_the_gate_is_not_best_whatever_else_it_measures() -> None:
    silent = evaluation("wavetable", factor=0.5, level_bias_db=-17.0)
    found = family_verdict("brass", {"harmonic": evaluation(), "wavetable": silent, "sinusoidal": None}, Gate())
    assert found.best == "harmonic"
    assert "Wavetable failed the gate" in found.comparison
    assert found.trainings["sinusoidal"].failures == ("it was not evaluated",)
    nothing = family_verdict("brass", {"harmonic": None}, Gate())
    assert (nothing.word, nothing.best) == (NOT_YET, "")
