"""A training that begins with another model's weights: what has learnt an instrument hears new notes of it."""

from __future__ import annotations

from typing import Any

from components import storage
from components.artifacts.model_files import CARD_NAME, MODEL_FOLDER, WEIGHTS_NAME
from components.core.errors import InputError
from components.telemetry import log

_LOG = log.get(__name__)


def warm_start(uri: str) -> dict[str, str]:
    """Returns what run.json says of a model to begin with: where it is, and which weights it has.

    Args:
        uri: A model directory, or the training directory around it.

    Raises:
        InputError: There is no model.
    """
    for home in (uri, storage.join(uri, MODEL_FOLDER)):
        card_uri = storage.join(home, CARD_NAME)
        if storage.exists(card_uri):
            return {"uri": home, "weights": str(storage.read_json(card_uri).get("crc32c", {}).get(WEIGHTS_NAME, ""))}
    raise InputError(f"there is no model at '{uri}' to begin with: expected {CARD_NAME} there or in {MODEL_FOLDER}/")


def weights_of(uri: str) -> list[Any]:
    """Returns a model's weights; InputError where it is not whole. Not to be called inside models.configured."""
    from components.synths.instrument import Instrument

    weights: list[Any] = Instrument.load(uri).model.get_weights()
    return weights


def begin_with(model: Any, weights: list[Any], uri: str) -> None:
    """Gives a new model the weights of another one, if it is the same network; else says so and leaves it as it is.

    Args:
        model: What models.build made.
        weights: As of `weights_of`.
        uri: Whose they are.
    """
    if [tuple(weight.shape) for weight in model.weights] != [weight.shape for weight in weights]:
        _LOG.warning("'%s' is another network: the training begins anew instead", uri)
        return
    model.set_weights(weights)
    _LOG.info("begins with the weights of %s", uri)
