"""The locks: exact, hashed, without an address, and what is really installed."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker

LOCKS = sorted(path for path in (Path(__file__).parents[2] / "requirements").glob("*.txt") if path.stem != "overrides")
_PIN = re.compile(
    r"(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+))? \\\n(?P<hashes>(?:    --hash=\S+.*\n)+)"
)


def test_there_are_locks_for_setting_up_running_and_developing():
    assert {path.stem for path in LOCKS} == {"bootstrap", "run", "dev"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_requirement_is_pinned_by_hash_and_has_no_address(lock):
    text = lock.read_text()
    rest = _PIN.sub("", text if text.endswith("\n") else text + "\n")
    assert all(line.startswith("#") for line in rest.splitlines() if line.strip()), rest
    assert "://" not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_what_is_installed_is_what_is_locked(lock):
    for pin in _PIN.finditer(lock.read_text()):
        if pin["marker"] is None or Marker(pin["marker"].strip()).evaluate():
            assert metadata.version(pin["name"]) == pin["version"], pin["name"]
