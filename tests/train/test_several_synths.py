"""Several synthesizers in one process: each is trained as if it were alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from components.synths.instrument import Instrument
from tests.train.trainings import BINDINGS, assert_same, command, last_step, run_json, saved_steps

_SYNTHS = ("harmonic", "sinusoidal", "wavetable")


def _several(data: str, out: Path, synths: str = ",".join(_SYNTHS), bindings: list[str] = BINDINGS) -> list[str]:
    return [synths if part == "harmonic" else part for part in command(data, out, bindings)]


@pytest.fixture(scope="module")
def trained(data, nursery, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("several")
    code, said = nursery.run(*_several(data, out))
    assert code == 0, said
    assert said.count("notes, 1 MB, into memory") == 1
    for synth in _SYNTHS:
        assert f"trained: string-{synth}" in said
    return out


def test_each_is_what_it_is_alone_to_the_last_bit(trained, undisturbed, data, nursery, tmp_path):
    assert_same(undisturbed, trained / "string-harmonic")
    arguments = ["sinusoidal" if part == "harmonic" else part for part in command(data, tmp_path)]
    assert nursery.run(*arguments)[0] == 0
    assert_same(tmp_path, trained / "string-sinusoidal")
    record, alone = run_json(trained / "string-harmonic"), run_json(undisturbed)
    assert record["fingerprint"] == alone["fingerprint"]
    name = "operative_config.gin"
    assert (trained / "string-harmonic" / name).read_text() == (undisturbed / name).read_text()
    assert Instrument.load(str(trained / "string-wavetable")).info["synth"] == "wavetable"


def test_stopped_together_one_goes_on_alone_and_then_the_rest(undisturbed, trained, data, nursery, tmp_path):
    pid = nursery.start(*_several(data, tmp_path))
    nursery.wait_until(lambda: max(last_step(tmp_path / f"string-{synth}") for synth in _SYNTHS) >= 10)
    os.kill(pid, signal.SIGTERM)
    assert nursery.wait() == 75, nursery.stderr()
    for synth in _SYNTHS:
        assert saved_steps(tmp_path / f"string-{synth}"), synth
    assert nursery.run(*command(data, tmp_path / "string-harmonic"))[0] == 0
    assert_same(undisturbed, tmp_path / "string-harmonic")
    code, said = nursery.run(*_several(data, tmp_path))
    assert code == 0, said
    assert "trained already: string-harmonic" in said
    for synth in _SYNTHS:
        assert_same(trained / f"string-{synth}", tmp_path / f"string-{synth}")


def test_one_that_diverges_does_not_take_the_others_with_it(data, nursery, tmp_path):
    """Frequencies that are no numbers: the sinusoidal one alone has them."""
    bindings = [*BINDINGS, "frequencies_critical_bands.bandwidth_scale = 1e38"]
    code, said = nursery.run(*_several(data, tmp_path, "sinusoidal,wavetable", bindings))
    assert code == 1
    [line] = [line for line in said.splitlines() if line.startswith("luthier: ")]
    assert line.startswith("luthier: string-sinusoidal: the training diverged at step 0")
    assert "Traceback" not in said
    assert run_json(tmp_path / "string-sinusoidal")["status"] == "failed"
    assert run_json(tmp_path / "string-wavetable")["status"] == "finished"


@pytest.mark.parametrize(
    ("synths", "says"),
    [("harmonic,harmonics", "did you mean 'harmonic'"), ("harmonic,harmonic", "expected each once")],
)
def test_bad_names_are_one_line(refused, data, tmp_path, synths, says):
    assert says in refused(*_several(data, tmp_path, synths))
