"""Tags of a registered version that steps read again, and what some of them hold."""

from __future__ import annotations

from collections.abc import Sequence

from components.core.fingerprint import fingerprint

LOSS_TAG = "held_out_loss"  # mean spectral loss over the held-out notes
NOTES_TAG = "held_out_notes"  # fingerprint of the notes these were
STANDING_TAG = "standing"  # "champion", or why it is not
BEFORE_TAG = "champion_before"  # the version it followed as champion
ORIGIN_TAG = "origin"  # fingerprint of the family's source
CONFIG_TAG = "config_fingerprint"  # of preset and bindings
VERSION_TAG = "training_version"  # see core.versions
TRAINING_TAG = "training_uri"
DATA_TAG = "data_uri"


def config_fingerprint(preset: str, bindings: Sequence[str]) -> str:
    """Returns what identifies a training's settings."""
    return fingerprint([preset, sorted(bindings)])
