"""The line of a report that leads to the pages to play: those of a family's models, and the champion's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components import storage
from components.artifacts.training_dir import PLAY_NAME, TrainingDir
from components.evaluate.training_view import TrainingView


@dataclass(frozen=True)
class ChampionNote:
    """The champion of a family after a run.

    Attributes:
        version: Its number.
        synth: Its synth.
        of_this_run: Whether it is one of the run's models.
        page_name: Name of its page beside the report, where it is of an earlier run; "" for none.
    """

    version: int
    synth: str
    of_this_run: bool
    page_name: str = ""


@dataclass(frozen=True)
class PlayLink:
    """A page to play: the model's name, its address relative to the report, and whether it is the champion's."""

    name: str
    href: str
    is_champion: bool = False


@dataclass(frozen=True)
class PlayView:
    """The pages to play, and what is to be known of them in one sentence, "" for nothing."""

    links: list[PlayLink]
    remark: str


def champion_page_name(family: str) -> str:
    """Returns the name of the page of a champion of an earlier run, beside the report of the run."""
    return f"play-{family}-champion.html"


def play_view(
    trainings: Sequence[TrainingView], report_dir_uri: str, champion: ChampionNote | None, is_registered: bool
) -> PlayView | None:
    """Returns the pages of a family's models that are at or below a report's directory; None without any.

    Args:
        trainings: Of one family.
        report_dir_uri: Where the report is written.
        champion: The family's champion; None where it has none.
        is_registered: Whether the trainings were registered, so that there is something to say of a champion.
    """
    links = [
        PlayLink(each.synth, href, bool(champion and champion.of_this_run and champion.synth == each.synth))
        for each in trainings
        if each.evaluation and (href := _href(each.uri, report_dir_uri))
    ]
    remark = ""
    if is_registered and champion is None:
        remark = "None of them is champion: none has passed the gate."
    elif champion and not champion.of_this_run:
        remark = f"The champion is still version {champion.version}, of an earlier run."
        if champion.page_name:
            links.append(PlayLink(f"{champion.synth}, version {champion.version}", champion.page_name, True))
        else:
            remark += " It has no page: luthier export --format web makes one."
    return PlayView(links, remark) if links else None


def _href(training_uri: str, report_dir_uri: str) -> str:
    """Returns the address of a training's page, relative to the report's directory; "" where there is none."""
    training = TrainingDir(training_uri)
    if not storage.exists(training.play_uri):
        return ""
    if training_uri.rstrip("/") == report_dir_uri.rstrip("/"):
        return PLAY_NAME
    is_below = storage.join(report_dir_uri, training.name) == training_uri.rstrip("/")
    return f"{training.name}/{PLAY_NAME}" if is_below else ""
