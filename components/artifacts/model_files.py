"""A model's folder: what it holds, by name, and how it is found; for all who read one, with TensorFlow or without.

See synths.instrument.
"""

from __future__ import annotations

from pathlib import Path

from components import storage
from components.core.errors import InputError, nearest

CARD_NAME = "model.json"  # written last: it says that the rest is there
CONFIG_NAME = "operative_config.gin"
WEIGHTS_NAME = "weights.h5"
MODEL_FOLDER = "model"  # of a training directory


def find_model(uri: str) -> str:
    """Returns a model's folder.

    Args:
        uri: The folder itself, or the training directory around it; local or gs://.

    Raises:
        InputError: There is no model. It names what is there instead, and models whose names are near.
    """
    for home in (uri, storage.join(uri, MODEL_FOLDER)):
        if storage.exists(storage.join(home, CARD_NAME)):
            return home
    names, inside = _listing(uri)
    raise InputError(
        f"there is no model at '{uri}': got {', '.join(names[:8]) or 'nothing'}, expected {CARD_NAME}, {CONFIG_NAME} "
        f"and {WEIGHTS_NAME}, there or in {MODEL_FOLDER}/; {_instead(uri, inside)}"
    )


def _instead(uri: str, inside: list[str]) -> str:
    if inside:
        return f"models are in it: {', '.join(inside[:8])}"
    name = storage.basename(uri)
    parent = uri.rstrip("/").removesuffix(name).rstrip("/") if storage.is_remote(uri) else str(Path(uri).parent)
    beside = _listing(parent)[1] if parent != "gs:" else []
    return f"beside it, {nearest(name, beside)}" if beside else "try a training that has finished"


def _listing(uri: str) -> tuple[list[str], list[str]]:
    """Returns the names of what is directly in a folder, and of those the ones that are models."""
    if storage.is_remote(uri):
        found = [info.name for info in storage.list_objects(uri)]
    else:
        patterns = ("*", f"*/{CARD_NAME}", f"*/{MODEL_FOLDER}/{CARD_NAME}")  # not all below it: it may be any folder
        found = [path.relative_to(uri).as_posix() for pattern in patterns for path in Path(uri).glob(pattern)]
    parts = [name.split("/") for name in found]
    models = {first for first, *rest in parts if rest in ([CARD_NAME], [MODEL_FOLDER, CARD_NAME])}
    return sorted({first for first, *_ in parts}), sorted(models)
