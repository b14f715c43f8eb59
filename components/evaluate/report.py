"""The report: one self-contained HTML page that lets one hear, see and read what trainings of one run have become."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from components import storage
from components.audio import pictures
from components.evaluate.evaluation import REPORT_NAME
from components.evaluate.family_view import NUMBERS, family_view
from components.evaluate.training import Training
from components.synths.catalog import SYNTHS

_TEMPLATES = Path(__file__).parent / "templates"
_NOTES, _NOTES_OF_MANY_FAMILIES, _MANY_FAMILIES = 2, 1, 5  # keeps a report of all families within some ten megabytes


def write_report(trainings: Sequence[Training], out_uri: str, title: str = "") -> str:
    """Writes report.html below `out_uri` and returns its URI.

    Args:
        trainings: Of any families and synths; finished or not.
        out_uri: The folder.
        title: The page's title; by default the one training's name.
    """
    page = render(trainings, title or f"{trainings[0].family} · {trainings[0].synth}")
    uri = storage.join(out_uri, REPORT_NAME)
    storage.write_bytes(uri, page.encode())
    return uri


def render(trainings: Sequence[Training], title: str) -> str:
    """Returns the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = list(dict.fromkeys(training.family for training in trainings))
    most = _NOTES if len(names) < _MANY_FAMILIES else _NOTES_OF_MANY_FAMILIES
    families = [family_view(name, [one for one in trainings if one.family == name], most) for name in names]
    return environment.get_template("report.html").render(
        title=title,
        families=families,
        synths=[synth for synth in SYNTHS if any(training.synth == synth for training in trainings)],
        numbers=NUMBERS,
        colour_scale=pictures.colour_scale(),
        low_db=f"{pictures.TOP_DB - pictures.RANGE_DB:g}".replace("-", "−"),
        top_db=f"{pictures.TOP_DB:g} dB".replace("-", "−"),
        octaves=[
            (f"C{octave + 1}", 100.0 * octave / pictures.OCTAVES) for octave in range(1, int(pictures.OCTAVES) + 1)
        ],
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup((_TEMPLATES / "report.js").read_text(encoding="utf-8")),
    )
