"""The alternatives in TensorFlow: a plain tf.data sort, and the notebook with which this project started."""

from __future__ import annotations

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import json
from pathlib import Path

import tensorflow as tf
from google.protobuf.json_format import MessageToJson

from components.nsynth.families import FAMILIES

_KEY = "instrument/family"
_BUFFER_BYTES = 8 << 20
_BATCH = 32


def tf_data(source: str, out: str) -> dict[str, float]:
    """Sorts with tf.data: shards read in parallel, only the routing field parsed, one TFRecordWriter for each family.

    TensorFlow checks both CRCs when it reads and computes them when it writes. The order within a family depends on
    how the shards are interleaved, there is no manifest, and a half-done run looks like a whole one.
    """
    names = sorted(map(str, Path(source).glob("*.tfrecord-*")))
    wanted = {_KEY: tf.io.FixedLenFeature([], tf.int64)}
    records = tf.data.TFRecordDataset(names, buffer_size=_BUFFER_BYTES, num_parallel_reads=tf.data.AUTOTUNE).batch(
        _BATCH
    )
    routed = records.map(
        lambda batch: (tf.io.parse_example(batch, wanted)[_KEY], batch), num_parallel_calls=tf.data.AUTOTUNE
    ).prefetch(tf.data.AUTOTUNE)
    Path(out).mkdir(parents=True, exist_ok=True)
    writers: dict[int, tf.io.TFRecordWriter] = {}
    count = 0
    for families, batch in routed.as_numpy_iterator():
        for family, payload in zip(families.tolist(), batch, strict=True):
            if family not in writers:
                writers[family] = tf.io.TFRecordWriter(str(Path(out, f"{FAMILIES[family]}.tfrecord")))
            writers[family].write(payload)
            count += 1
    for writer in writers.values():
        writer.close()
    return {"records": count}


def notebook(source: str, out: str, slice_records: str) -> dict[str, float]:
    """Sorts the first records as the notebook does.

    Every record is parsed whole as a SequenceExample, printed as JSON and read again, for one number in it; the raw
    records wait in a list for each family and are written at the end of a round.
    """
    names = sorted(map(str, Path(source).glob("*.tfrecord-*")))
    by_family: dict[str, list[bytes]] = {family: [] for family in FAMILIES}
    count = 0
    for raw in tf.data.TFRecordDataset(names).take(int(slice_records)):
        parsed = tf.train.SequenceExample.FromString(raw.numpy())
        value = json.loads(MessageToJson(parsed))["context"]["feature"][_KEY]["int64List"]["value"][0]
        by_family[FAMILIES[int(value)]].append(raw.numpy())
        count += 1
    Path(out).mkdir(parents=True, exist_ok=True)
    for family, payloads in by_family.items():
        if payloads:
            with tf.io.TFRecordWriter(str(Path(out, f"0-train-{family}.tfrecord"))) as writer:
                for payload in payloads:
                    writer.write(payload)
    return {"records": count}
