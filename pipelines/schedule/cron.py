"""Cron expressions as Kubeflow Pipelines reads them: six fields, the first of them seconds."""

from __future__ import annotations

import re

from components.core.errors import InputError
from components.core.text import counted

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Name, least, greatest, and words in the order of their numbers.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_NAMED = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days, in a leap year
_PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")


def six_fields(expression: str) -> str:
    """Returns a cron expression in the form that Kubeflow takes.

    Kubeflow would read the five fields of a crontab as seconds to months, so these get a 0 for the second in front.

    Args:
        expression: Five fields (minute, hour, day of the month, month, day of the week 0-6 from Sunday) or six, with
            the second before them; or a name such as @daily.

    Raises:
        InputError: Another number of fields, one that is out of range, or a date that never comes.
    """
    fields = _NAMED.get(expression.strip().lower(), expression).split()
    if len(fields) not in (5, 6):
        raise InputError(
            f"the schedule '{expression}' is wrong: got {counted(len(fields), 'field')}, expected 5 or 6, or "
            f"one of {', '.join(_NAMED)}; try '0 3 * * *' (every day at 3:00)"
        )
    fields = ["0", *fields] if len(fields) == 5 else fields
    for text, (name, least, greatest, words) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if not _is_valid(part, least, greatest, words):
                raise InputError(
                    f"the schedule '{expression}' is wrong: got '{text}' for the {name}, expected numbers of "
                    f"{least}-{greatest}, lists, ranges, steps or *"
                )
    _check_that_it_comes(expression, *fields[3:])
    return " ".join(fields)


def _check_that_it_comes(expression: str, days: str, months: str, weekdays: str) -> None:
    """Raises InputError for days that none of the months has, such as 31 February. A day of the week always comes."""
    if not weekdays.startswith(("*", "?")):
        return
    first_day = min(_numbers(days, 1, 31, ()))
    if all(first_day > _LONGEST_MONTHS[month - 1] for month in _numbers(months, 1, 12, _MONTHS)):
        raise InputError(f"the schedule '{expression}' is wrong: day {days} of month {months} never comes")


def _numbers(text: str, least: int, greatest: int, words: tuple[str, ...]) -> set[int]:
    """Returns the numbers that a valid field stands for."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        assert match is not None
        if match["first"] in ("*", "?"):
            first, last = least, greatest
        else:
            first = _number(match["first"], least, words)
            last = _number(match["last"], least, words) if match["last"] else greatest if match["step"] else first
        found.update(range(first, last + 1, int(match["step"] or 1)))
    return found


def _is_valid(part: str, least: int, greatest: int, words: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or match["step"] == "0":
        return False
    if match["first"] in ("*", "?"):
        return match["last"] is None
    bounds = [_number(text, least, words) for text in (match["first"], match["last"]) if text is not None]
    return all(number is not None and least <= number <= greatest for number in bounds) and bounds == sorted(bounds)


def _number(text: str, least: int, words: tuple[str, ...]) -> int:
    if text.isdecimal():
        return int(text)
    return words.index(text.lower()) + least if text.lower() in words else -1
