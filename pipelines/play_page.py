"""The page to play of a training, beside the report of its run."""

from __future__ import annotations

from components import storage
from components.artifacts.training_dir import TrainingDir
from components.telemetry import log

_LOG = log.get(__name__)


def write_play_page(training_uri: str) -> None:
    """Writes play.html of a training. Where that fails, a line says why, and the report has no link.

    The process has loaded TensorFlow to train and evaluates next: so the page takes a second or two.
    """
    from components.export.web.step import write_page

    training = TrainingDir(training_uri)
    try:
        storage.delete(training.play_uri)  # of an earlier model
        write_page(training_uri, training.play_uri)
    except Exception as error:  # whatever it is, the training is worth its evaluation
        _LOG.warning("no page to play %s: %s", training.name, " ".join(str(error).split()) or type(error).__name__)
