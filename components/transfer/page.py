"""HTML page of a transfer: spectrograms and players of the recording and of each rendered sound."""

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
from components.core.text import printable
from components.transfer.analysis import Features

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Sound:
    """A sound on the page: its title, URI, features, and a line of text about it."""

    title: str
    uri: str
    features: Features
    text: str = ""


def write_page(page_uri: str, seconds: float, sounds: Sequence[Sound]) -> None:
    """Writes the page. It embeds the pictures and links to the sound files, relative to itself.

    Args:
        page_uri: The page's URI.
        seconds: Length of all the sounds.
        sounds: The recording first.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("transfer.html").render(
        title=" · ".join(sound.title for sound in sounds[1:]),
        recording=printable(storage.basename(sounds[0].uri)),
        sounds=[
            {
                "title": sound.title,
                "link": _link(sound.uri, page_uri),
                "picture": pictures.spectrogram_of(sound.features.bands),
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
    """Returns a sound's URI relative to the page; "" where it cannot link there (local and remote)."""
    folder = page_uri.rpartition("/")[0]
    if storage.is_remote(uri) or storage.is_remote(page_uri):
        return quote(uri.removeprefix(f"{folder}/")) if uri.startswith(f"{folder}/") else ""
    return quote(os.fsencode(os.path.relpath(uri, folder or ".")))
