"""The verdict on trainings in words: ready, rough or not yet; which one is best, or too close to call; what to do next.

Plain facts in, sentences out: reports and pages show them, and nothing else decides what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.artifacts.comparison import MEASURES, Difference, choose
from components.artifacts.evaluation import Evaluation
from components.config.gate import Failure, Gate
from components.nsynth.note import NOTE_SECONDS

READY, ROUGH, NOT_YET = "ready", "rough", "not yet"
WORDS = (READY, ROUGH, NOT_YET)
"""From the best to the worst."""

_ROUGH_MINUTES, _GOOD_MINUTES = 3.0, 10.0  # of recordings
_SILENT_SHARE, _SILENT_BIAS_DB = 0.5, -30.0  # less pitch and level: it has fallen silent
_MANY_LABELS = 0.2
# Highest value of a ready model, by its name in scores.gate_values, and what to say of a higher one.
_READY = {
    "spectral_loss": (6.0, "its spectral loss is {:.1f}, a ready one has 6 or less"),
    "log_mel_distance_db": (6.0, "its spectrum is {:.1f} dB off, that of a ready one 6 dB or less"),
    "loudness_error_db": (3.0, "its loudness is {:.1f} dB off, that of a ready one 3 dB or less"),
    "level_bias_db": (2.0, "it is {:.1f} dB too {direction}, a ready one 2 dB or less"),
    "pitch_error_cents": (15.0, "its pitch is {:.0f} cents off, that of a ready one 15 cents or less"),
    "out_of_tune_share": (0.1, "its pitch is wrong in {:.0%} of the frames, that of a ready one in 10 % or less"),
    "aliasing_db": (-55.0, "its aliasing is {:.0f} dB, that of a ready one -55 dB or less"),
}


@dataclass(frozen=True)
class TrainingVerdict:
    """The verdict on one training.

    Attributes:
        synth: Its synth.
        word: One of WORDS; NOT_YET where it was not evaluated or failed the gate.
        failures: Why it failed the gate, a sentence without a full stop each; empty where it passed.
        shortfalls: What keeps a model that passed the gate from being ready, the same way.
        next_step: What to do next, a sentence with a full stop.
    """

    synth: str
    word: str
    failures: tuple[str, ...]
    shortfalls: tuple[str, ...]
    next_step: str


@dataclass(frozen=True)
class FamilyVerdict:
    """The verdict on the trainings of a family.

    Attributes:
        family: The family.
        word: The best training's.
        best: Its synth; "" where none was evaluated.
        too_close: Synths that cannot be told apart from the best, which is not among them.
        headline: Who is best and how good, without a full stop: "Brass: harmonic is rough".
        comparison: What the notes say about the best and the others, sentences; "" where there is one training.
        next_step: What to do next, a sentence.
        trainings: The verdict on each, by synth.
    """

    family: str
    word: str
    best: str
    too_close: tuple[str, ...]
    headline: str
    comparison: str
    next_step: str
    trainings: Mapping[str, TrainingVerdict] = field(default_factory=dict)


@dataclass(frozen=True)
class Best:
    """The best of a family's trainings.

    Attributes:
        synth: Its synth.
        tied: Synths that the notes cannot tell apart from it.
        differences: How each other synth that was compared differs from it: a ratio above 1 is farther.
        left_out: Synths that were not compared: they failed the gate, or were evaluated on other notes.
    """

    synth: str
    tied: tuple[str, ...]
    differences: Mapping[str, Difference]
    left_out: tuple[str, ...]


def training_verdict(found: Evaluation, gate: Gate) -> TrainingVerdict:
    """Returns the verdict on a training that was evaluated."""
    values = found.gate_values()
    failures, shortfalls = gate.failures(values), _shortfalls(values)
    word = NOT_YET if failures else ROUGH if shortfalls else READY
    return TrainingVerdict(
        synth=found.synth,
        word=word,
        failures=tuple(failure.text for failure in failures),
        shortfalls=tuple(shortfalls),
        next_step=_next_step(found, values, failures, word),
    )


def family_verdict(family: str, evaluations: Mapping[str, Evaluation | None], gate: Gate) -> FamilyVerdict:
    """Returns the verdict on the trainings of a family.

    Args:
        family: The family.
        evaluations: By synth; None where a training was not evaluated.
        gate: The limits.
    """
    trainings = {
        synth: training_verdict(found, gate)
        if found
        else TrainingVerdict(synth, NOT_YET, ("it was not evaluated",), (), "Run it again: it continues.")
        for synth, found in evaluations.items()
    }
    known = {synth: found for synth, found in evaluations.items() if found}
    if not known:
        return FamilyVerdict(
            family,
            NOT_YET,
            "",
            (),
            f"{family.capitalize()}: nothing to judge yet",
            "",
            "Run it again: it continues.",
            trainings,
        )
    best = best_of(known, gate)
    verdict = trainings[best.synth]
    return FamilyVerdict(
        family=family,
        word=verdict.word,
        best=best.synth,
        too_close=best.tied,
        headline=_headline(family, best, verdict.word),
        comparison=_comparison(best),
        next_step=verdict.next_step,
        trainings=trainings,
    )


def best_of(evaluations: Mapping[str, Evaluation], gate: Gate, keep: str = "") -> Best:
    """Returns the best of a family's evaluated trainings, by synth: of those that pass the gate, if any does.

    Args:
        evaluations: One or more.
        gate: The limits.
        keep: The synth of the present champion, if it is among them: it stays where it is too close to call.
    """
    passed = {synth: found for synth, found in evaluations.items() if not gate.failures(found.gate_values())}
    entered = passed or dict(evaluations)
    notes = next(iter(entered.values())).notes_fingerprint
    # Numbers on other notes cannot be compared.
    same = {synth: found for synth, found in entered.items() if found.notes_fingerprint == notes}
    synths = list(same)
    choice = choose([found.notes for found in same.values()], synths.index(keep) if keep in same else None)
    return Best(
        synth=synths[choice.best],
        tied=tuple(synths[index] for index in choice.tied),
        differences={synths[index]: difference for index, difference in choice.differences.items()},
        left_out=tuple(synth for synth in evaluations if synth not in same),
    )


def _shortfalls(values: Mapping[str, float]) -> list[str]:
    known = dict(values)
    if "pitch_within_share" in known:
        known["out_of_tune_share"] = 1.0 - known["pitch_within_share"]
    found = []
    for name, (highest, words) in _READY.items():
        value = known.get(name)
        if value is not None and (abs(value) if name == "level_bias_db" else value) > highest:
            shown = abs(value) if name == "level_bias_db" else value
            found.append(words.format(shown, direction="quiet" if value < 0 else "loud"))
    return found


def _headline(family: str, best: Best, word: str) -> str:
    name = family.capitalize()
    if best.tied:
        return f"{name}: {_listed([best.synth, *best.tied])} are too close to call, {best.synth} is {word}"
    return f"{name}: {best.synth} is {word}"


def _comparison(best: Best) -> str:
    """Returns how each other synth compares with the best one, in sentences."""
    sentences = []
    for synth, difference in best.differences.items():
        if difference.separable:
            sentences.append(f"{synth.capitalize()} is {difference.text()}.")
        else:
            measures = _measures(best.synth, synth, difference)
            sentences.append(
                f"{best.synth.capitalize()} and {synth} cannot be told apart: "
                f"{synth} is {difference.text()}; {measures}."
            )
    if best.left_out:
        sentences.append(f"{_listed(best.left_out).capitalize()} failed the gate or was evaluated on other notes.")
    return " ".join(sentences)


def _measures(best: str, synth: str, difference: Difference) -> str:
    """Returns which measures speak for which of two synths."""
    ahead = [MEASURES[name] for name, ratio in difference.measures.items() if ratio > 1.0]
    behind = [MEASURES[name] for name, ratio in difference.measures.items() if ratio < 1.0]
    said = [f"{best} is ahead in {_listed(ahead)}"] if ahead else []
    return ", ".join([*said, *([f"{synth} in {_listed(behind)}"] if behind else [])]) or "all measures are equal"


def _next_step(found: Evaluation, values: Mapping[str, float], failures: Sequence[Failure], word: str) -> str:
    """Returns the one thing that helps most, by what is worst first."""
    bias_db, minutes = values.get("level_bias_db", 0.0), (found.train_notes or 0) * NOTE_SECONDS / 60
    steps, name = f"{found.model.steps:,} steps", found.synth
    if values.get("pitch_heard_share", 1.0) < _SILENT_SHARE or bias_db < _SILENT_BIAS_DB:
        return f"The {name} has fallen silent: train it again with another seed (--set 'train.seed = 1')."
    if values.get("label_wrong_share", 0.0) > _MANY_LABELS:
        share = f"{values['label_wrong_share']:.0%}"
        return f"The data has a wrong pitch for {share} of the notes: prepare the recordings with --pitch crepe."
    if word != READY and 0 < minutes < _GOOD_MINUTES:
        if minutes < _ROUGH_MINUTES:
            return f"{_minutes(minutes)} of recordings is too little: 3 minutes make a rough model, 10 a good one."
        return f"{_minutes(minutes)} of recordings make a rough model: 10 minutes make a good one."
    longer = "train longer (a higher train.max_steps, or --preset standard)"
    if word != READY and abs(bias_db) > _READY["level_bias_db"][0]:
        return f"{abs(bias_db):.0f} dB too {'quiet' if bias_db < 0 else 'loud'} after {steps}: {longer}."
    if any(failure.limit == "max_aliasing_db" for failure in failures):
        return "High notes alias: play it below them, or train another synth."
    if word != READY:
        return f"After {steps}: {longer}."
    return "Use it: luthier transfer plays a recording with it, luthier export makes a plugin or a web page of it."


def _minutes(minutes: float) -> str:
    return f"{minutes:.0f} {'minute' if round(minutes) == 1 else 'minutes'}" if minutes >= 1 else "Less than a minute"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
