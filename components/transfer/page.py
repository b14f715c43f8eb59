"""The page beside the sounds: the recording and what the models made of it, to look at and listen to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np

from components import storage
from components.audio import pictures
from components.transfer.curves import Curves

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Sound:
    """A column of the page: a title, where the sound is, what is heard in it, and a line about it."""

    title: str
    uri: str
    curves: Curves
    text: str = ""


def write_page(page_uri: str, seconds: float, sounds: Sequence[Sound]) -> None:
    """Writes the page. Pictures are in it; the sounds stay where they are, and are named relative to it.

    Args:
        page_uri: Where it goes.
        seconds: Length of all the sounds.
        sounds: The recording first.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("transfer.html").render(
        title=" · ".join(sound.title for sound in sounds[1:]),
        recording=storage.basename(sounds[0].uri),
        sounds=[
            {
                "title": sound.title,
                "link": _link(sound.uri, page_uri),
                "picture": pictures.spectrogram_of(sound.curves.bands),
                "text": sound.text,
            }
            for sound in sounds
        ],
        octaves=[(f"C{n + 1}", 100.0 * n / pictures.OCTAVES) for n in range(1, int(pictures.OCTAVES) + 1)],
        marks=[f"{mark:.3g}" for mark in np.linspace(0, seconds, 5)],
        low_db=f"{pictures.TOP_DB - pictures.RANGE_DB:g}",
        top_db=f"{pictures.TOP_DB:g}",
        colour_scale=pictures.colour_scale(),
    )
    storage.write_bytes(page_uri, page.encode())


def _link(uri: str, page_uri: str) -> str:
    """Returns how the page names a sound: relative to itself where both are local, or below one folder."""
    folder = page_uri.rpartition("/")[0]
    if storage.is_remote(uri) or storage.is_remote(page_uri):
        return quote(uri.removeprefix(f"{folder}/")) if uri.startswith(f"{folder}/") else ""
    return quote(os.path.relpath(uri, folder or "."))
