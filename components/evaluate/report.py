"""Writes the report: one self-contained HTML page with the scores and listening samples of the trainings of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from components import storage
from components.artifacts.training_dir import REPORT_NAME, TrainingDir
from components.audio import pictures
from components.config.bindings import gate_of
from components.config.catalog import SYNTHS
from components.config.gate import Gate
from components.evaluate.family_view import family_view
from components.evaluate.matrix_view import Matrix, matrix
from components.evaluate.number_view import NUMBERS
from components.evaluate.play_view import ChampionNote, PlayView, play_view
from components.evaluate.training_view import TrainingView, by_family, winner_of

_TEMPLATES = Path(__file__).parent / "templates"
# These limits keep a report of all families at about ten megabytes. With several families the matrix has two seconds of
# every note; with many families it has each family's best model only, and each family has one held-out note.
_EXCERPT_S = 2.0
_MANY_FAMILIES = 5
_MAX_NOTES, _MAX_NOTES_OF_MANY = 2, 1
_KEPT_BYTES = 3 << 20


def write_report(
    trainings: Sequence[TrainingView],
    out_uri: str,
    title: str = "",
    gate_bindings: Sequence[str] = (),
    champions: Mapping[str, ChampionNote | None] | None = None,
) -> str:
    """Writes report.html below `out_uri` and returns its URI.

    Args:
        trainings: Of any families and synths; finished or not.
        out_uri: The directory.
        title: The page's title; by default the name of the training, if it is one.
        gate_bindings: Gin bindings of the gate.
        champions: See `compare.compare`.
    """
    families, known = by_family(trainings), champions or {}
    plays = {
        name: view
        for name, some in families.items()
        if (view := play_view(some, out_uri, known.get(name), name in known))
    }
    title = title or f"{trainings[0].family} · {trainings[0].synth}"
    pages = render(trainings, title, gate_of(gate_bindings), plays)
    for name, page in pages.items():
        storage.write_bytes(storage.join(out_uri, name), page.encode())
    return TrainingDir(out_uri).report_uri


def _matrix(families: Mapping[str, Sequence[TrainingView]], many: bool, gate: Gate) -> Matrix | None:
    if len(families) == 1:
        return matrix(next(iter(families.values())))
    winners = {family: winner_of(some, gate) for family, some in families.items()}
    shown = [each for family, some in families.items() for each in some if not many or each is winners[family]]
    return matrix(shown, _EXCERPT_S)


def render(trainings: Sequence[TrainingView], title: str, gate: Gate, plays: Mapping[str, PlayView]) -> dict[str, str]:
    """Returns the pages by name: those with the notes that the report has no room for, and last the report."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        scripts=[Markup((_TEMPLATES / name).read_text(encoding="utf-8")) for name in ("report.js", "blind.js")],
    )
    families = by_family(trainings)
    many = len(families) >= _MANY_FAMILIES
    kept_bytes = _KEPT_BYTES // len(families)
    max_notes = _MAX_NOTES_OF_MANY if many else _MAX_NOTES
    views = [family_view(name, some, max_notes, kept_bytes, gate) for name, some in families.items()]
    pages = {
        name: environment.get_template("notes.html").render(family=view, view=view.kept, rows=rows, name=name)
        for view in views
        if view.kept
        for name, rows in view.kept.pages.items()
    }
    report = environment.get_template("report.html").render(
        title=title,
        families=views,
        plays=plays,
        matrix=_matrix(families, many, gate),
        best_alone=many,
        synths=[synth for synth in SYNTHS if any(training.synth == synth for training in trainings)],
        numbers=NUMBERS,
        colour_scale=pictures.colour_scale(),
        low_db=f"{pictures.TOP_DB - pictures.RANGE_DB:g}".replace("-", "−"),
        top_db=f"{pictures.TOP_DB:g} dB".replace("-", "−"),
        octaves=[
            (f"C{octave + 1}", 100.0 * octave / pictures.OCTAVES) for octave in range(1, int(pictures.OCTAVES) + 1)
        ],
    )
    return {**pages, REPORT_NAME: report}
