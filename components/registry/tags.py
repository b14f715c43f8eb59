"""Tags of a registered version that Luthier reads again, those that earlier releases wrote included."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.core.fingerprint import fingerprint
from components.core.versions import version_of_fingerprint

LOSS_TAG = "held_out_loss"
"""Mean spectral loss over the held-out notes."""

NOTES_TAG = "held_out_notes"
"""Fingerprint of the held-out notes that LOSS_TAG is about."""

STATUS_TAG = "promotion_status"
""" "champion", or the reason why the version is not champion."""

PREVIOUS_TAG = "champion_before"
"""The version that was champion before this one."""

SOURCE_TAG = "source_fingerprint"
"""Fingerprint of the family's source, known before the data is sorted."""

DATA_TAG = "data_fingerprint"
"""Fingerprint of the family's records in the sorted set."""

SETTINGS_TAG = "config_fingerprint"
"""Fingerprint of preset and bindings; see `settings_fingerprint`."""

VERSION_TAG = "training_version"
"""TRAINING_VERSION of the code that has trained the model; see core.versions."""

TRAINING_URI_TAG = "training_uri"
DATA_URI_TAG = "data_uri"

# Names that releases from before there were declared versions used.
_OLD_STATUS_TAG = "standing"
_OLD_SOURCE_TAG = "origin"
_OLD_CODE_TAG = "code_fingerprint"


@dataclass(frozen=True)
class Provenance:
    """What a registered version was trained from, as its tags say; "" where a tag is missing."""

    family: str
    synth: str
    source_fingerprint: str
    data_fingerprint: str
    settings_fingerprint: str
    training_version: int
    training_uri: str
    data_uri: str

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Provenance:
        """Reads the tags of a version."""
        return cls(
            family=tags.get("family", ""),
            synth=tags.get("synth", ""),
            source_fingerprint=tags.get(SOURCE_TAG) or tags.get(_OLD_SOURCE_TAG, ""),
            data_fingerprint=tags.get(DATA_TAG, ""),
            settings_fingerprint=tags.get(SETTINGS_TAG, ""),
            training_version=_training_version(tags),
            training_uri=tags.get(TRAINING_URI_TAG, ""),
            data_uri=tags.get(DATA_URI_TAG, ""),
        )


def promotion_status(tags: Mapping[str, str]) -> str:
    """Returns "champion", or the reason why a version is not champion; "" where nothing has been decided."""
    return tags.get(STATUS_TAG) or tags.get(_OLD_STATUS_TAG, "")


def loss_of(tags: Mapping[str, str]) -> float:
    """Returns the loss on the held-out notes; NaN where a version has none, or others have written the tag."""
    try:
        return float(tags.get(LOSS_TAG, ""))
    except ValueError:
        return math.nan


def settings_fingerprint(preset: str, bindings: Sequence[str]) -> str:
    """Returns the fingerprint of a training's settings: 16 hexadecimal digits."""
    return fingerprint([preset, sorted(bindings)])


def _training_version(tags: Mapping[str, str]) -> int:
    declared = tags.get(VERSION_TAG, "")
    return int(declared) if declared.isdecimal() else version_of_fingerprint(tags.get(_OLD_CODE_TAG, ""))
