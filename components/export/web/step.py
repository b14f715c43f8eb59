"""Exports models as one web page, after a check that the page's network computes what each model computes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components import storage
from components.audio.writing import check_writable
from components.core.errors import InputError, StepError
from components.export.graphs import Graphs
from components.export.readme import README_NAME, environment
from components.export.step import ExportResult, difference
from components.export.target import DESCRIPTION_NAME, check_target, replace_export
from components.export.web.description import describe_model
from components.export.web.model_file import PRECISIONS, encode
from components.export.web.page import packed, page
from components.export.web.reference import opened
from components.nsynth.note import SAMPLE_RATE_HZ, FloatArray
from components.registry.download import downloaded
from components.synths.instrument import Instrument

PAGE_NAME = "instrument.html"
_TOLERANCE = 1e-3  # of controls, as in step.difference
_MARGIN = 0.5  # a precision below float32 must stay within this share of the tolerance
# The largest size of a model in the page: of a small network, of any other; and, in bytes, of one in float32.
_LARGEST_SMALL, _LARGEST, _LARGEST_FLOAT32 = 3_900_000, 14_500_000, 1_500_000
_SMALLER_FIRST = (*PRECISIONS[1:], PRECISIONS[0])  # float32 only where nothing else keeps the controls
_SMALL_NETWORK = 2_500_000  # weights
_MOST_MODELS = 24


@dataclass(frozen=True)
class _Accepted:
    uri: str
    graphs: Graphs
    header: dict[str, Any]
    arrays: dict[str, FloatArray]


@dataclass(frozen=True)
class _Encoded:
    name: str
    text: str
    precision: str
    error: float
    card: dict[str, Any]


def export_page(model_uris: Sequence[str], out_uri: str, tracking_uri: str = "") -> ExportResult:
    """Exports models as one page.

    Args:
        model_uris: Model directories, training directories, or models:/NAME@ALIAS of a registry.
        out_uri: The directory to write; an earlier export in it is replaced, any other file stays.
        tracking_uri: The MLflow registry; if empty, that of MLFLOW_TRACKING_URI.

    Raises:
        InputError: There is no such model, the page cannot compute it, there are too many, or `out_uri` cannot be
            written or has a file of the same name that no export wrote.
        StepError: The page's network does not compute what a model computes.
    """
    if len(model_uris) > _MOST_MODELS:
        raise InputError(f"one page holds up to {_MOST_MODELS} models: got {len(model_uris)}; write several pages")
    names = [PAGE_NAME, README_NAME, DESCRIPTION_NAME]
    check_target(out_uri, names)
    accepted = [_accepted(uri, tracking_uri) for uri in model_uris]
    check_writable(storage.join(out_uri, DESCRIPTION_NAME))  # before the work, and after the models were accepted
    models = [_encoded(each) for each in accepted]
    text = page([(each.name, each.text) for each in _with_distinct_names(models)])
    with tempfile.TemporaryDirectory(prefix="luthier-") as scratch:
        folder = Path(scratch)
        (folder / PAGE_NAME).write_text(text, encoding="utf-8")
        description = _description(models)
        storage.write_json(str(folder / DESCRIPTION_NAME), description)
        readme = environment().get_template("README-web.md").render(description)
        (folder / README_NAME).write_text(readme, encoding="utf-8")
        total = sum(path.stat().st_size for path in folder.iterdir())
        replace_export(folder, out_uri, names)
    return ExportResult(out_uri, total, max(each.error for each in models))


def write_page(model_uri: str, page_uri: str) -> None:
    """Writes the page of one model, and nothing beside it.

    Args:
        model_uri: A model directory or a training directory.
        page_uri: The page; an earlier one is replaced.

    Raises:
        InputError: There is no such model, or the page cannot compute it.
        StepError: The page's network does not compute what the model computes.
    """
    model = _encoded(_accepted(model_uri, ""))
    storage.write_bytes(page_uri, page([(model.name, model.text)]).encode())


def _accepted(model_uri: str, tracking_uri: str) -> _Accepted:
    with downloaded(model_uri, tracking_uri) as address:
        graphs = Graphs(Instrument.load(address))
    return _Accepted(model_uri, graphs, *describe_model(graphs))


def _encoded(model: _Accepted) -> _Encoded:
    """Encodes a model in the highest precision that makes a small file and keeps its controls."""
    graphs, header, arrays = model.graphs, model.header, model.arrays
    weights = sum(values.size for values in arrays.values())
    card = {key: value for key, value in graphs.card.as_dict().items() if key != "crc32c"}
    best, error = None, 0.0
    for precision in PRECISIONS if 4 * weights <= _LARGEST_FLOAT32 else _SMALLER_FIRST:
        data = encode(header, arrays, precision)
        text = packed(data)
        fits = len(text) <= (_LARGEST_SMALL if weights <= _SMALL_NETWORK else _LARGEST)
        if best and not fits:
            continue
        error = difference(graphs.instrument, opened(data), graphs.units)
        if error <= (_TOLERANCE if precision == "float32" else _MARGIN * _TOLERANCE):
            best = _Encoded(header["name"], text, precision, error, card)
            if fits:
                return best
    if best:
        return best
    raise StepError(
        f"the page's network differs from the model '{model.uri}': controls are off by {error:.2g}, expected "
        f"{_TOLERANCE} or less; nothing was written"
    )


def _with_distinct_names(models: Sequence[_Encoded]) -> list[_Encoded]:
    """Numbers the models of equal names, so that a player can tell them apart."""
    names = [each.name for each in models]
    return [
        replace(each, name=f"{each.name} {names[: number + 1].count(each.name)}")
        if names.count(each.name) > 1
        else each
        for number, each in enumerate(models)
    ]


def _description(models: Sequence[_Encoded]) -> dict[str, Any]:
    listed = _with_distinct_names(models)
    return {
        "schema_version": 1,
        "format": "web",
        "file": PAGE_NAME,
        "runtime": "a browser",
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "models": [
            {"name": each.name, "weights": each.precision, "largest_error": each.error, **each.card} for each in listed
        ],
    }
