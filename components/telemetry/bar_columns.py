"""Columns of a progress bar on a terminal: title, bar, and a text that a narrow terminal cuts but does not wrap."""

from __future__ import annotations

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

_BAR_WIDTH = 8


class _CutColumn(TextColumn):
    """The column that gives way where the line is too long: its text ends in an ellipsis."""

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def bar_columns(title: str) -> tuple[ProgressColumn, ...]:
    """Returns the columns; the text is the field `text` of a task.

    Args:
        title: The format of the title.
    """
    return (
        TextColumn(title, table_column=Column(no_wrap=True)),
        BarColumn(_BAR_WIDTH, table_column=Column(no_wrap=True)),
        _CutColumn("{task.fields[text]}", table_column=Column(no_wrap=False)),
    )
