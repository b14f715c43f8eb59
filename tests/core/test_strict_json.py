"""JSON that may come from anywhere: each defect is one short reason, and is found at once."""

from __future__ import annotations

import pytest

from components.core.strict_json import parse_json
from tests.deadline import deadline


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"x": ' + "9" * 6000 + "}", "it has a whole number of more than 64 bits"),
        ('{"x": 99999999999999999999}', "it has a whole number of more than 64 bits"),
        ('{"x": 1, "x": 1}', "it has the key 'x' more than once"),
        ("[" * 100_000, "it has more than 64 levels"),
        (r'"\udc80"', "it has text that is not Unicode"),
        (b"\xff", "byte 0 is not UTF-8"),
    ],
)
def test_a_defect_is_one_short_reason(text, reason):
    with pytest.raises(ValueError, match=reason) as raised:
        parse_json(text)
    assert len(str(raised.value)) < 200


def test_a_repeated_key_among_thousands_is_named_at_once():
    pairs = ", ".join(f'"{number:x}": 1' for number in range(50_000))
    with deadline(5), pytest.raises(ValueError, match="it has the key 'c34f' more than once"):
        parse_json(f'{{{pairs}, "c34f": 2}}')
