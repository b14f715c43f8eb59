"""The numbers of records belong to PREPARE_VERSION: they change with it, and not without."""

from __future__ import annotations

from components.core.versions import PREPARE_VERSION
from tests import golden
from tests.prepare.golden import DIRECTORY, LOOSE, RTOL, prepared_numbers


def test_records_have_the_numbers_of_their_version(tmp_path):
    golden.check(DIRECTORY, "prepare", PREPARE_VERSION, prepared_numbers(tmp_path), RTOL, loose=LOOSE)
