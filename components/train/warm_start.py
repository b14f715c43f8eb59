"""A training that begins with another model's weights: what has learnt an instrument hears new notes of it."""

from __future__ import annotations

from typing import Any

from components.artifacts.model_card import WEIGHTS_NAME, ModelCard, find_model
from components.artifacts.run_record import WarmStart
from components.telemetry import log

_LOG = log.get(__name__)


def warm_start(uri: str) -> WarmStart:
    """Returns the model to begin with: where it is, and which weights it has.

    Args:
        uri: A model directory, or the training directory around it.

    Raises:
        InputError: There is no model.
    """
    model_uri = find_model(uri)
    return WarmStart(model_uri, ModelCard.read(model_uri).crc32c.get(WEIGHTS_NAME, ""))


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
