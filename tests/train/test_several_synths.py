"""Several synthesizers in one process: each is trained as if it were alone."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.core.errors import StepError
from components.synths.instrument import Instrument
from components.train.side_by_side import run_side_by_side
from tests.train.trainings import BINDINGS, assert_same, command, run_json, saved_steps


def _several(data: str, out: Path, synths: str, bindings: list[str] = BINDINGS) -> list[str]:
    return [synths if part == "harmonic" else part for part in command(data, out, bindings)]


def test_stopped_together_resumed_alone_and_together_each_is_what_it_is_alone(undisturbed, data, nursery, tmp_path):
    together, alone, names = tmp_path / "together", tmp_path / "alone", "harmonic,wavetable"
    synths = names.split(",")
    code, said = nursery.run(*_several(data, together, names), before="terminated_after_12_steps")
    assert code == 75, said
    assert said.count("notes, 1 MB, into memory") == 1
    for synth in synths:
        assert saved_steps(together / f"string-{synth}"), synth
    assert nursery.run(*command(data, together / "string-harmonic"))[0] == 0
    code, said = nursery.run(*_several(data, together, names))
    assert code == 0, said
    assert "trained already: string-harmonic" in said
    assert "trained: string-wavetable" in said

    assert_same(undisturbed, together / "string-harmonic")
    assert nursery.run(*_several(data, alone, "wavetable"))[0] == 0
    assert_same(alone, together / "string-wavetable")
    assert Instrument.load(str(together / "string-wavetable")).card.synth == "wavetable"
    assert run_json(together / "string-harmonic")["fingerprint"] == run_json(undisturbed)["fingerprint"]
    name = "operative_config.gin"
    assert (together / "string-harmonic" / name).read_text() == (undisturbed / name).read_text()


def test_a_training_that_diverges_at_once_fails_in_one_line(data, nursery, tmp_path):
    code, said = nursery.run(*_several(data, tmp_path, "sinusoidal"), before="nan_losses")
    assert code == 1
    [line] = [line for line in said.splitlines() if line.startswith("luthier: ")]
    assert line.startswith("luthier: the training diverged at step 0")
    assert "Traceback" not in said
    failed = run_json(tmp_path)
    assert failed["status"] == "failed"
    assert line.endswith(failed["failure"])


class _Fake:
    """A training that ends as it is told."""

    def __init__(self, name: str, error: BaseException | None = None, after: threading.Event | None = None) -> None:
        self.plan = SimpleNamespace(name=name)
        self.finished = False
        self._error, self._after = error, after

    def run(self, bar: object) -> None:
        if self._after:
            assert self._after.wait(60)
        if self._error:
            raise self._error
        self.finished = True


class _ToldError(StepError):
    """Sets an event when it is told of."""

    def __init__(self, text: str, told: threading.Event) -> None:
        super().__init__(text)
        self._told = told

    def __str__(self) -> str:
        self._told.set()
        return super().__str__()


def test_one_that_fails_does_not_take_the_others_with_it():
    told = threading.Event()
    others = [_Fake("string-harmonic", after=told), _Fake("string-wavetable", StepError("no space"), told)]
    with pytest.raises(StepError, match=r"^string-sinusoidal: it diverged; string-wavetable: no space$"):
        run_side_by_side([_Fake("string-sinusoidal", _ToldError("it diverged", told)), *others], [None] * 3)
    assert others[0].finished


def test_a_signal_counts_more_than_a_failure():
    told = threading.Event()
    told.set()
    with pytest.raises(SystemExit) as ended:
        run_side_by_side([_Fake("a", StepError("it diverged")), _Fake("b", SystemExit(75), told)], [None] * 2)
    assert ended.value.code == 75


@pytest.mark.parametrize(
    ("synths", "says"),
    [("harmonic,harmonics", "did you mean 'harmonic'"), ("harmonic,harmonic", "expected each once")],
)
def test_bad_names_are_one_line(refused, data, tmp_path, synths, says):
    assert says in refused(*_several(data, tmp_path, synths))
