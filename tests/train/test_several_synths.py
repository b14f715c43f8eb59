"""Several synthesizers in one process: each is trained as if it were alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from components.synths.instrument import Instrument
from tests.train.trainings import BINDINGS, assert_same, command, last_step, run_json, saved_steps


def _several(data: str, out: Path, synths: str, bindings: list[str] = BINDINGS) -> list[str]:
    return [synths if part == "harmonic" else part for part in command(data, out, bindings)]


def test_stopped_together_resumed_alone_and_together_each_is_what_it_is_alone(undisturbed, data, nursery, tmp_path):
    together, alone, names = tmp_path / "together", tmp_path / "alone", "harmonic,wavetable"
    synths = names.split(",")
    pid = nursery.start(*_several(data, together, names))
    nursery.wait_until(lambda: max(last_step(together / f"string-{synth}") for synth in synths) >= 10)
    os.kill(pid, signal.SIGTERM)
    assert nursery.wait() == 75, nursery.stderr()
    assert nursery.stderr().count("notes, 1 MB, into memory") == 1
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


def test_one_that_diverges_does_not_take_the_others_with_it(data, nursery, tmp_path):
    """Frequencies that are not finite: only the sinusoidal one has them."""
    bindings = [*BINDINGS, "frequencies_critical_bands.bandwidth_scale = 1e38"]
    code, said = nursery.run(*_several(data, tmp_path, "sinusoidal,harmonic", bindings))
    assert code == 1
    [line] = [line for line in said.splitlines() if line.startswith("luthier: ")]
    assert line.startswith("luthier: string-sinusoidal: the training diverged at step 0")
    assert "Traceback" not in said
    failed = run_json(tmp_path / "string-sinusoidal")
    assert failed["status"] == "failed"
    assert line.endswith(failed["failure"])
    assert run_json(tmp_path / "string-harmonic")["status"] == "finished"


@pytest.mark.parametrize(
    ("synths", "says"),
    [("harmonic,harmonics", "did you mean 'harmonic'"), ("harmonic,harmonic", "expected each once")],
)
def test_bad_names_are_one_line(refused, data, tmp_path, synths, says):
    assert says in refused(*_several(data, tmp_path, synths))
