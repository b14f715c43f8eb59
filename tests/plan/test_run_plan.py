"""The plan of a run: its URIs change when, and only when, what they hold would change."""

import pytest

from components.core.errors import InputError
from components.plan import run_plan
from components.plan.run_plan import plan


@pytest.fixture
def recordings(tmp_path):
    for family in ("string", "flute"):
        (tmp_path / "recordings" / family).mkdir(parents=True)
        (tmp_path / "recordings" / family / "a.wav").write_bytes(b"planning does not read the audio")
    return tmp_path / "recordings"


@pytest.fixture
def uris(recordings):
    """Returns the three URIs of a plan as text, for arguments of `plan`."""

    def of(**arguments):
        found = plan(str(recordings), "gs://bucket/ws", **{"families": ["string"], "preset": "smoke", **arguments})
        return found.records_uri, found.sorted_uri, found.run_uri

    return of


def test_the_uris_are_content_addresses(uris, recordings):
    records_uri, sorted_uri, run_uri = uris()
    assert records_uri.startswith("gs://bucket/ws/records/") and sorted_uri.startswith("gs://bucket/ws/sorted/")
    assert run_uri.startswith("gs://bucket/ws/runs/smoke-")
    assert uris() == uris(bindings=["gate.margin = 0.5"]) == (records_uri, sorted_uri, run_uri)
    other_settings = uris(bindings=["train.max_steps = 3"])
    assert other_settings[:2] == (records_uri, sorted_uri) and other_settings[2] != run_uri
    assert uris(if_changed=True)[2] != run_uri  # it begins with registered weights
    (recordings / "string" / "b.wav").write_bytes(b"more")
    assert not {*uris()} & {records_uri, sorted_uri, run_uri}


@pytest.mark.parametrize(
    ("version", "changed"),
    [
        ("PREPARE_VERSION", (True, True, True)),
        ("TRAINING_VERSION", (False, False, True)),
    ],
)
def test_a_declared_version_moves_what_it_is_about(uris, monkeypatch, version, changed):
    before = uris()
    monkeypatch.setattr(run_plan, version, 99)
    assert tuple(old != new for old, new in zip(before, uris(), strict=True)) == changed


def test_bindings_go_to_the_training_or_to_the_gate(recordings):
    found = plan(str(recordings), "ws", bindings=["train.max_steps = 3", "gate.margin = 0.5"])
    assert (found.bindings, found.gate_bindings) == (["train.max_steps = 3"], ["gate.margin = 0.5"])
    assert set(found.source_fingerprints) == {"string", "flute"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"workspace_uri": ""}, "parameter 'workspace' is empty"),
        ({"families": ["strnig"]}, "parameter 'families': .*did you mean 'string'"),
        ({"families": ["organ"]}, "parameter 'families': the source has no organ, only flute, string"),
        ({"synths": ["harmonics"]}, "parameter 'synths': .*did you mean 'harmonic'"),
        ({"preset": "smok"}, "parameter 'preset': .*did you mean 'smoke'"),
        ({"bindings": ["gate.margin = -1"]}, "gate.margin is -1"),
    ],
)
def test_a_wrong_parameter_is_named(recordings, arguments, said):
    with pytest.raises(InputError, match=said):
        plan(**{"source_uri": str(recordings), "workspace_uri": "ws", **arguments})
