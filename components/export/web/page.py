"""The page: the built artefact of web/ with the models in it, one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from html import escape
from importlib import resources

from components.core.errors import StepError

ARTEFACT_NAME = "page.html"
_PLACE = "<!-- models -->"


def page(models: Sequence[tuple[str, str]]) -> str:
    """Returns the page.

    Args:
        models: The name of each model, and its bytes, packed. The first one is shown first.

    Raises:
        StepError: The installation has no artefact.
    """
    artefact = resources.files(__package__) / ARTEFACT_NAME
    if not artefact.is_file():
        raise StepError(f"this installation of Luthier has no {ARTEFACT_NAME}: install it again, or run make web")
    before, after = artefact.read_text(encoding="utf-8").split(_PLACE)
    scripts = "\n".join(
        f'<script type="text/plain" class="model" data-name="{escape(name)}">{text}</script>' for name, text in models
    )
    return f"{before}{scripts}{after}"


def packed(data: bytes) -> str:
    """Returns the bytes of a model as the page holds them: base64 of gzip, the same text for equal bytes."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")
