"""Tables of commands that list."""

from components.core.table import as_json, duration, table


def test_columns_have_one_width_and_no_line_has_trailing_blanks():
    assert table([("A", "LONGER"), ("x" * 3, "y")]) == "A    LONGER\nxxx  y"
    assert table([]) == ""


def test_text_of_a_server_stays_in_its_cell():
    assert table([("a\x1b[31m\r\nb\u2028c", "d")]) == "a [31m b c  d"
    assert as_json([{"a": "ü\x1b"}]) == '[\n {\n  "a": "ü\\u001b"\n }\n]'


def test_durations_are_those_of_kubectl():
    assert [duration(seconds) for seconds in (-1, 45, 119, 120, 7_200, 172_800)] == [
        "0s",
        "45s",
        "119s",
        "2m",
        "2h",
        "2d",
    ]
