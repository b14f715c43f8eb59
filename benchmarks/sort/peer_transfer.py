"""The client's transfer_manager: downloads the objects of a bucket to disk, or copies them to another bucket."""

from __future__ import annotations

import os
from pathlib import Path

from google.cloud import storage
from google.cloud.storage import transfer_manager


def download(bucket: str, out: str, function: str, worker_type: str, workers: str, durable: str = "") -> None:
    """Downloads every object of a bucket.

    Args:
        bucket: Its name.
        out: A local folder.
        function: "download_many" or "download_chunks_concurrently".
        worker_type: "process" or "thread".
        workers: How many.
        durable: Anything but "" flushes the files to the disk at the end, as our sort always does.
    """
    blobs = list(_client().list_blobs(bucket))
    Path(out).mkdir(parents=True, exist_ok=True)
    paths = [str(Path(out, blob.name)) for blob in blobs]
    options = {"worker_type": worker_type, "max_workers": int(workers)}
    if function == "download_many":
        transfer_manager.download_many(list(zip(blobs, paths, strict=True)), raise_exception=True, **options)
    else:
        for blob, path in zip(blobs, paths, strict=True):
            transfer_manager.download_chunks_concurrently(blob, path, **options)
    if durable:
        for path in [*paths, out]:
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def copy(source_bucket: str, target_bucket: str, folder: str, worker_type: str, workers: str) -> None:
    """Downloads every object of a bucket and uploads it to another."""
    download(source_bucket, folder, "download_many", worker_type, workers)
    names = sorted(path.name for path in Path(folder).iterdir())
    results = transfer_manager.upload_many_from_filenames(
        _client().bucket(target_bucket),
        names,
        source_directory=folder,
        raise_exception=True,
        worker_type=worker_type,
        max_workers=int(workers),
    )
    assert len(results) == len(names)


def _client() -> storage.Client:
    return storage.Client(project="emulator")  # STORAGE_EMULATOR_HOST makes it anonymous
