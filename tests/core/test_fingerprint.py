"""The fingerprints that are in names and files of earlier versions keep their values."""

import pytest

from components.core import environment
from components.core.errors import InputError
from components.core.fingerprint import content_fingerprint, fingerprint


def test_values_of_earlier_versions_are_kept():
    assert fingerprint(["smoke", ["a=1"]]) == "0dddcddc57430fee"
    assert fingerprint({"b": 1, "a": None}, 8) == fingerprint({"a": None, "b": 1}, 8) == "84950323"
    assert content_fingerprint([b"gs://b/", memoryview(b"w")], 12) == content_fingerprint([b"gs://b/w"], 12)


def test_a_number_in_the_environment_that_is_none_is_one_clear_error(monkeypatch):
    monkeypatch.setenv(environment.THREADS, "two")
    with pytest.raises(InputError, match="LUTHIER_THREADS is 'two': expected a whole number from 0"):
        environment.get_int(environment.THREADS)
    monkeypatch.setenv(environment.THREADS, "")
    assert environment.get_int(environment.THREADS, 3) == 3
