"""TensorFlow's three ways to read an Example, as references. They differ in a few odd encodings."""

from __future__ import annotations

from typing import TypeAlias

import tensorflow as tf

# What stands under a key: its integers, REFUSED with the whole payload, None where there are no integers.
Reading: TypeAlias = tuple[int, ...] | str | None
REFUSED = "refused"


def read_with_python(payload: bytes, key: str) -> Reading:
    """tf.train.Example.FromString: protobuf's parser for Python (upb)."""
    try:
        features = tf.train.Example.FromString(payload).features.feature
    except Exception:  # DecodeError, whose module depends on protobuf's implementation
        return REFUSED
    if key not in features or features[key].WhichOneof("kind") != "int64_list":
        return None
    return tuple(features[key].int64_list.value) or None


def read_with_cpp(payload: bytes, key: str) -> Reading:
    """The first version of the SequenceExample op: protobuf's parser for C++. It is strict with field 2, too."""
    try:
        parsed = tf.raw_ops.ParseSingleSequenceExample(
            serialized=payload,
            debug_name="",
            feature_list_dense_missing_assumed_empty=tf.constant([], tf.string),
            **{name: [] for name in ("context_dense_keys", "feature_list_sparse_keys", "feature_list_dense_keys")},
            **{name: [] for name in ("context_dense_defaults", "feature_list_dense_types", "context_dense_shapes")},
            **{name: [] for name in ("feature_list_sparse_types", "feature_list_dense_shapes")},
            context_sparse_keys=[key],
            context_sparse_types=[tf.int64],
        )
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
        # An error that quotes the bytes may itself not be readable; one of another type's values was parsed.
        return None if "Data types don't match" in str(error) else REFUSED
    return tuple(parsed.context_sparse_values[0].numpy().tolist()) or None


def read_with_tf_data(payload: bytes, key: str) -> Reading:
    """tf.io.parse_single_example: TensorFlow's own fast parser, which refuses and ignores more than protobuf does."""
    try:
        parsed = tf.io.parse_single_example(payload, {key: tf.io.VarLenFeature(tf.int64)})
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError):
        return REFUSED
    return tuple(parsed[key].values.numpy().tolist()) or None
