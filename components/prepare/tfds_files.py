"""The metadata files of a TFDS data set, so that `tfds.builder_from_directory` reads the records.

features.json and the label files are those of nsynth/gansynth_subset.f0_and_loudness 2.3.3: the records are alike.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from components import storage
from components.core.errors import InputError
from components.core.fields import Fields
from components.nsynth.dataset_info import DATASET_INFO_NAME
from components.nsynth.framing import FRAMING_BYTES


def shard_name(split: str) -> str:
    """Returns the name of a split's one shard."""
    return f"nsynth-{split}.tfrecord-00000-of-00001"


def write_side_files(out_uri: str) -> None:
    """Writes all metadata files but dataset_info.json."""
    for entry in resources.files("components.prepare").joinpath("tfds").iterdir():
        storage.write_bytes(storage.join(out_uri, entry.name), entry.read_bytes())


def has_all_records(out_uri: str, records: dict[str, int]) -> bool:
    """Tells whether every shard has the size that dataset_info.json tells: a copy of the folder may lack some.

    Args:
        out_uri: The folder.
        records: Number of records by split.
    """
    uri = storage.join(out_uri, DATASET_INFO_NAME)
    try:
        entries = Fields(storage.read_json(uri), uri, "the dataset_info.json of a TFDS data set").objects("splits")
    except InputError:
        return False
    payload_bytes = {str(entry.get("name")): entry.get("numBytes") for entry in entries}
    found = {split: storage.stat(storage.join(out_uri, shard_name(split))) for split in records}
    return all(
        info is not None and str(info.size - records[split] * FRAMING_BYTES) == payload_bytes.get(split)
        for split, info in found.items()
    )


def write_dataset_info(out_uri: str, records: dict[str, int], payload_bytes: dict[str, int]) -> None:
    """Writes dataset_info.json, which commits the data set: TFDS reads none without it.

    Args:
        out_uri: The folder.
        records: Number of records by split.
        payload_bytes: Size of the records without their framing, by split.
    """
    splits = [
        {
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            "name": split,
            "numBytes": str(payload_bytes[split]),
            "shardLengths": [str(records[split])],
        }
        for split in records
    ]
    info: dict[str, Any] = {
        "configDescription": "Recordings in the format of nsynth/gansynth_subset.f0_and_loudness 2.3.3.",
        "configName": "gansynth_subset.f0_and_loudness",
        "description": "Recordings prepared by Luthier: f0 by swift-f0, loudness by the data set's own formula.",
        "fileFormat": "tfrecord",
        "moduleName": "tensorflow_datasets.datasets.nsynth.nsynth_dataset_builder",
        "name": "nsynth",
        "splits": splits,
        "version": "2.3.3",
    }
    storage.write_json(storage.join(out_uri, DATASET_INFO_NAME), info)
