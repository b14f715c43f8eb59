"""A source directory: its shards, and an error that names the layout when it is another one that people have.

Expected: TFDS's file names, `nsynth-<split>.tfrecord-<i>-of-<n>`, with records of gansynth_subset.f0_and_loudness.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from components import storage
from components.core.errors import InputError
from components.core.fingerprint import fingerprint
from components.core.text import counted
from components.nsynth.dataset_info import DATASET_INFO_NAME, all_shard_lengths
from components.nsynth.features import features
from components.nsynth.framing import FRAMING_BYTES, Record, scan
from components.nsynth.header import HEADER, read_header
from components.nsynth.preparation import check_finished
from components.nsynth.wire import BadExample
from components.storage import ObjectInfo

PUBLIC_SOURCE = "gs://tfds-data/datasets/nsynth/gansynth_subset.f0_and_loudness/2.3.3"

_SHARD = re.compile(r"(?P<dataset>.+)-(?P<split>\w+)\.(?P<format>\w+)-(?P<index>\d{5})-of-(?P<count>\d{5})")
_RECORD_LIKE = re.compile(r".*(record|-\d{5}-of-\d{5}).*")
_EXPECTED = f"expected the layout of {PUBLIC_SOURCE}"
_SPLIT_ORDER = ("train", "valid", "test")

_Shards = dict[str, list[ObjectInfo]]


def find_shards(source_uri: str, split: str) -> list[ObjectInfo]:
    """Returns one split's shards in their order.

    Raises:
        InputError: The directory, the split or shards are missing, the layout is another one, or `luthier prepare` has
            not written all records.
    """
    shards = find_all_shards(source_uri)
    if split not in shards:
        raise InputError(f"'{source_uri}' has no {split} split, only {', '.join(shards)}")
    return shards[split]


def find_all_shards(source_uri: str) -> _Shards:
    """Returns the shards of every split, in the order train, valid, test. Errors as in `find_shards`."""
    listed = storage.list_objects(source_uri)
    if not listed:
        if storage.stat(source_uri) is not None:
            raise InputError(f"the source '{source_uri}' is a file: expected the directory of all shards")
        found = "an empty directory" if storage.exists(source_uri) else "nothing"
        raise InputError(f"there is no source at '{source_uri}': found {found}, {_EXPECTED}")
    check_finished(source_uri, listed)
    # A hidden file beside a shard, such as a Mac's ._nsynth-train..., is not one.
    direct = [info for info in listed if "/" not in info.name and not info.name.startswith(".")]
    by_split = _by_split(source_uri, direct, "tfrecord")
    if not by_split:
        raise _other_layout(source_uri, listed, direct)
    for shards in by_split.values():
        _check_complete(source_uri, shards)
        _check_keys(shards[0])
    return by_split


def all_splits(source_uri: str) -> list[str]:
    """Returns every split that a source has, in the order train, valid, test.

    Raises:
        InputError: As for `find_shards`; or dataset_info.json has another split, whose shards are all missing.
    """
    found = list(find_all_shards(source_uri))
    for split, counts in all_shard_lengths(source_uri).items():
        if split not in found and any(counts):
            raise InputError(
                f"'{source_uri}' has no shards of the {split} split, of which {DATASET_INFO_NAME} names {len(counts)}; "
                f"copy these too, or choose one split with --split: {', '.join(found)}"
            )
    return found


def is_shard(name: str) -> bool:
    """Tells by its name whether a file is a shard of a TFDS data set, of any split and format."""
    base = storage.basename(name)
    return _SHARD.fullmatch(base) is not None and not base.startswith(".")


def source_fingerprint(source_uri: str) -> str:
    """Returns the fingerprint of all splits: of the shards' names, sizes and checksums."""
    return fingerprint_of(info for shards in find_all_shards(source_uri).values() for info in shards)


def fingerprint_of(objects: Iterable[ObjectInfo], *parameters: str | int) -> str:
    """Returns the fingerprint of objects' names, sizes and checksums, and of parameters."""
    identity = [list(parameters), [[info.name, info.size, info.crc32c] for info in objects]]
    return fingerprint(identity)


def _by_split(source_uri: str, direct: list[ObjectInfo], file_format: str) -> _Shards:
    matches = [
        (match, info) for info in direct if (match := _SHARD.fullmatch(info.name)) and match["format"] == file_format
    ]
    datasets = sorted({match["dataset"] for match, _ in matches})
    if len(datasets) > 1:
        raise InputError(f"'{source_uri}' holds shards of several data sets ({', '.join(datasets)}), expected one")
    names = {match["split"] for match, _ in matches}
    ordered = [name for name in _SPLIT_ORDER if name in names] + sorted(names - set(_SPLIT_ORDER))
    # Listings are sorted by name, and the five digits make that the shards' order.
    return {name: [info for match, info in matches if match["split"] == name] for name in ordered}


def _check_complete(source_uri: str, shards: list[ObjectInfo]) -> None:
    matches = [match for info in shards if (match := _SHARD.fullmatch(info.name))]
    counts = sorted({int(match["count"]) for match in matches})
    if len(counts) > 1:
        raise InputError(
            f"'{source_uri}' holds {matches[0]['split']} shards of {counts[0]} and of {counts[1]}, expected one set"
        )
    missing = sorted(set(range(counts[0])) - {int(match["index"]) for match in matches})
    if missing:
        split, shown = matches[0]["split"], ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise InputError(
            f"'{source_uri}' lacks {len(missing)} of its {counts[0]} {split} shards (number {shown}); copy these again"
        )


def _other_layout(source_uri: str, listed: list[ObjectInfo], direct: list[ObjectInfo]) -> InputError:
    """Returns the error for a directory without shards of the expected names."""
    for info in direct:
        if ".array_record" in info.name:
            return InputError(
                f"'{source_uri}' holds array_record shards ({info.name}), expected tfrecord; try "
                f"`tfds build nsynth/gansynth_subset.f0_and_loudness --file_format=tfrecord`, or {PUBLIC_SOURCE}"
            )
    for info in direct:
        if _RECORD_LIKE.fullmatch(info.name):
            _check_keys(info)
            return InputError(
                f"'{info.uri}' has an unknown split: expected the name nsynth-<split>.tfrecord-<i>-of-<n>; rename it"
            )
    for info in listed:
        if is_shard(info.name):
            directory_uri = storage.join(source_uri, info.name.rpartition("/")[0])
            return InputError(f"'{source_uri}' has no shards, but its subdirectory '{directory_uri}' has; try that one")
    return InputError(
        f"'{source_uri}' has no nsynth-<split>.tfrecord-<i>-of-<n> shards ({counted(len(listed), 'other file')}); "
        f"{_EXPECTED}"
    )


def _check_keys(shard: ObjectInfo) -> None:
    """Checks the keys of a shard's first record; InputError if they are those of another layout."""
    first = _first_record(shard)
    if first is None:
        return  # empty or damaged, which its reader reports with the offset
    try:
        keys = {key.decode() for key in features(first.payload)}
    except BadExample:
        return
    if {"audio", "f0/hz", "loudness/db", "instrument/family"} <= keys:
        return
    if "f0_hz" in keys:
        found = "ddsp_prepare_tfrecord output, which has no families; try `luthier prepare` on its recordings"
    elif "note_str" in keys:
        found = f"the original NSynth, which has no f0 and loudness; try {PUBLIC_SOURCE}"
    elif {"audio", "instrument/family", "instrument/label", "pitch"} <= keys:
        found = f"NSynth without f0 and loudness (nsynth/full or gansynth_subset); try {PUBLIC_SOURCE}"
    elif "instrument/family" in keys:
        return  # an unknown layout, but enough to sort by
    else:
        found = f"records with the keys {', '.join(sorted(keys)) or 'none'}; {_EXPECTED}"
    raise InputError(f"'{shard.uri}' is {found}")


def _first_record(shard: ObjectInfo) -> Record | None:
    """Reads a shard's first record and nothing more; None if there is none or it is damaged."""
    if shard.size < FRAMING_BYTES:
        return None
    with storage.open_read(shard.uri, shard.generation, 0, HEADER.size) as stream:
        length = read_header(stream.read(HEADER.size))
    if isinstance(length, str) or length + FRAMING_BYTES > shard.size:
        return None
    with storage.open_read(shard.uri, shard.generation, 0, length + FRAMING_BYTES) as stream:
        first = next(scan(stream, shard.name), None)
    return first if isinstance(first, Record) else None
