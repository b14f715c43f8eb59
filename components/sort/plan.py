"""The first step of a run: checks what was asked, and names the places where the rest will be put.

The names are content addresses: the same source, configuration and code give the same places, so that a run started
again finds what is done, and a changed one never mixes with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from components import storage
from components.code_version import code_fingerprint
from components.errors import InputError
from components.nsynth.families import check_family
from components.nsynth.layout import fingerprint_of, source_fingerprint
from components.synths.bindings import check_bindings
from components.synths.catalog import SYNTHS, check_preset, check_synth

_AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True)
class Plan:
    """What a run will do and where it goes.

    Attributes:
        families: The families asked for; empty means every family that the source has.
        synths: The synthesizers to train for each family.
        records_uri: Where `prepare` puts the records when the source is a folder of recordings.
        sorted_uri: Root of the sorted set.
        run_uri: Parent of the training directories, `<workspace>/runs/<run-id>`.
        code: Fingerprint of all of Luthier's code, for cache keys.
    """

    families: list[str]
    synths: list[str]
    records_uri: str
    sorted_uri: str
    run_uri: str
    code: str


def plan(
    source_uri: str,
    workspace_uri: str,
    families: Sequence[str] = (),
    synths: Sequence[str] = (),
    preset: str = "smoke",
    bindings: Sequence[str] = (),
) -> Plan:
    """Checks a run's parameters and decides its places.

    Args:
        source_uri: Folder of records in the data set's format, or of recordings.
        workspace_uri: Where everything of the run goes.
        families: Instrument families; empty for all that the source has.
        synths: Synthesizers; empty for all three.
        preset: Name of a gin preset.
        bindings: gin bindings on top of the preset.

    Raises:
        InputError: A name is unknown, a binding is not allowed, or there is nothing at the source. Names the parameter.
    """
    if not workspace_uri:
        raise InputError("parameter 'workspace' is empty: expected a folder or gs://bucket/prefix for the results")
    asked_families = _checked("families", families, check_family)
    asked_synths = _checked("synths", synths or SYNTHS, check_synth)
    _checked("preset", [preset], check_preset)
    check_bindings(list(bindings))
    source = _source_fingerprint(source_uri)
    data_id = _short_hash(source, code_fingerprint("nsynth", "prepare", "sort"))
    training_code = code_fingerprint("nsynth", "synths", "train", packages=("ddsp", "tensorflow"))
    run_id = _short_hash(data_id, preset, sorted(bindings), training_code)
    return Plan(
        families=asked_families,
        synths=asked_synths,
        records_uri=storage.join(workspace_uri, "records", data_id),
        sorted_uri=storage.join(workspace_uri, "sorted", data_id),
        run_uri=storage.join(workspace_uri, "runs", f"{preset}-{run_id}"),
        code=code_fingerprint(),
    )


def _checked(parameter: str, names: Sequence[str], check: Any) -> list[str]:
    """Returns the checked names without repeats, in the order given."""
    try:
        return list(dict.fromkeys(check(name.strip()) for name in names))
    except InputError as error:
        raise InputError(f"parameter '{parameter}': {error}") from None


def _source_fingerprint(source_uri: str) -> str:
    """Fingerprints the source's records or recordings; other files beside them do not count.

    Raises:
        InputError: There is neither, or the records are of a layout that Luthier does not read.
    """
    files = storage.list_objects(source_uri)
    recordings = [item for item in files if PurePosixPath(item.name).suffix.lower() in _AUDIO_SUFFIXES]
    return fingerprint_of(recordings) if recordings else source_fingerprint(source_uri)


def _short_hash(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]
