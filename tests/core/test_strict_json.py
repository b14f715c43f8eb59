"""JSON that may come from anywhere: a repeated key is found in an object of any size."""

from __future__ import annotations

import pytest

from components.core.strict_json import parse_json
from tests.deadline import deadline


def test_a_repeated_key_among_thousands_is_named_at_once():
    pairs = ", ".join(f'"{number:x}": 1' for number in range(50_000))
    with deadline(5), pytest.raises(ValueError, match="it has the key 'c34f' more than once"):
        parse_json(f'{{{pairs}, "c34f": 2}}')
