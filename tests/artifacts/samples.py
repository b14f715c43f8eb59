"""Valid contents of the files of a training and a sorted set."""

from __future__ import annotations

import json

from components.artifacts.expression import Expression, TrainingNote
from components.artifacts.model_card import ModelCard, Percentiles
from components.artifacts.run_record import WarmStart
from tests.records import finished_record

CARD = ModelCard(
    family="string",
    synth="harmonic",
    preset="smoke",
    data_fingerprint="0123abcd",
    steps=400,
    valid_loss=5.25,
    num_parameters=123_456,
    f0_hz=Percentiles(110.0, 220.0, 440.0),
    loudness_db=Percentiles(-50.0, -20.0, -5.0, (-60.0, -20.0, 0.0)),
    expression=Expression(
        (0.0, 0.1, 1.0), (0.0, 0.2), (TrainingNote(60, 90, (-50.0, -10.0, -12.0), (0.0, -40.0)),), 55, 72, 0.2, True
    ),
    crc32c={"operative_config.gin": "AAAAAA==", "weights.h5": "AAAAAA=="},
).as_dict()
RECORD = finished_record(
    "string", "harmonic", bindings=("train.seed = 1",), warm_start=WarmStart("gs://bucket/model", "AAAAAA==")
).as_dict()
_NUMBERS = {
    "spectral_loss": 5.0,
    "log_mel_distance_db": 3.0,
    "mfcc_distance": 2.0,
    "pitch_error_cents": 8.0,
    "pitch_heard_share": 0.9,
    "loudness_error_db": 2.0,
    "noise_balance_db": None,
    "silence_level_db": -90.0,
    "clipped_share": 0.0,
    "pitch_within_share": 0.8,
    "played_error_cents": 7.0,
    "label_error_cents": 3.0,
    "level_bias_db": -1.0,
}
_NOTE = {"id": "string_acoustic_000-060-100", "pitch": 60, "velocity": 100}
_SCORES_OF_EVERY_NOTE = ("spectral_loss", "log_mel_distance_db", "mfcc_distance", "loudness_error_db", "clipped_share")
_SAMPLE = {
    **_NOTE,
    "family": "string",
    "clips": {"original": "a-original.flac", "resynthesis": "a-resynthesis.flac", "noise": "a-noise.flac"},
    "controls": "a-controls.npz",
}
EVALUATION = {
    "schema_version": 4,
    "model": CARD,
    "split": "test",
    "data_fingerprint": "0123abcd",
    "notes_fingerprint": "4567abcd",
    "notes": [{**_NOTE, "numbers": _NUMBERS, "pitch_finding": "label wrong"}],
    "summary": {
        name: {"mean": 5.0, "median": 5.0, "p95": 6.0, "low": 4.0, "high": 6.0} for name in _SCORES_OF_EVERY_NOTE
    },
    "groups": {"register": {"low": {"notes": 1, "means": dict.fromkeys(_SCORES_OF_EVERY_NOTE, 5.0)}}},
    "steady": {"aliasing_db": -70.0, "aliasing_pitch": 96, "wobble_db": 1.0, "wobble_pitch": 60, "silence_db": -90.0},
    "train_notes": 12,
    "worst": [_SAMPLE],
    "heard": [_SAMPLE],
    "transfers": [
        {
            **_NOTE,
            "family": "flute",
            "octaves": -1,
            "pitch_error_cents": None,
            "pitch_heard_share": 0.5,
            "clips": {"original": "flute-original.flac", "resynthesis": "flute-resynthesis.flac"},
        }
    ],
    "pieces": [{"kind": "tune", "clips": {"original": "tune-original.flac", "resynthesis": "tune-resynthesis.flac"}}],
    "kept": {"file": "notes.zip", "notes": [{"id": _NOTE["id"], "gains_db": {"original": -1.0, "resynthesis": 1.0}}]},
}
MANIFEST = {
    "schema_version": 1,
    "split": "train",
    "by": "family",
    "where": [],
    "fingerprint": "0123abcd",
    "source": {
        "uri": "/data/source",
        "objects": [
            {
                "name": "nsynth-train.tfrecord-00000-of-00001",
                "size": 10,
                "generation": "1",
                "crc32c": "AAAAAA==",
                "records": 2,
            }
        ],
    },
    "records": 2,
    "left_out": 0,
    "totals": {"string": 1, "flute": 0},
    "quarantined": 1,
    "quarantine": [
        {"shard": "nsynth-train.tfrecord-00000-of-00001", "offset": 0, "bytes": 5, "reason": "its CRC does not match"}
    ],
    "objects": [
        {
            "name": "string/part-00000-of-00001.tfrecord",
            "group": "string",
            "records": 1,
            "bytes": 10,
            "crc32c": "AAAAAA==",
        }
    ],
}
DATASET_INFO = {"name": "nsynth", "splits": [{"name": "train", "shardLengths": ["1", "2"], "numBytes": "100"}]}
MARKER = {"schema_version": 1, "files": ["README.md", "instrument.json", "saved_model/saved_model.pb"]}
METRICS = "".join(
    json.dumps({"step": step, "split": split, "total_loss": 9.0, "spectral_loss": 9.0, "seconds": 1.5}) + "\n"
    for step in range(3)
    for split in ("train", "valid")
)
