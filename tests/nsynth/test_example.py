"""The wire format of tf.train.Example against TensorFlow's own messages."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.nsynth import example

int64s = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5).map(lambda values: np.array(values, np.int64))
floats = st.lists(st.floats(width=32, allow_nan=False), max_size=5).map(lambda values: np.array(values, np.float32))
values = st.dictionaries(
    st.text(max_size=8), st.one_of(int64s, floats, st.lists(st.binary(max_size=8), max_size=3)), max_size=5
)


def _as_proto(mapping):
    import tensorflow as tf

    proto = tf.train.Example()
    proto.features.SetInParent()
    for key, value in mapping.items():
        feature = proto.features.feature[key]
        if isinstance(value, list):
            feature.bytes_list.SetInParent()
            feature.bytes_list.value.extend(value)
        elif value.dtype == np.float32:
            feature.float_list.SetInParent()
            feature.float_list.value.extend(value.tolist())
        else:
            feature.int64_list.SetInParent()
            feature.int64_list.value.extend(value.tolist())
    return proto


def _assert_equal(found, expected):
    assert set(found) == set(expected)
    for key, value in expected.items():
        if isinstance(value, list):
            assert found[key] == value
        else:
            assert found[key].dtype == value.dtype
            np.testing.assert_array_equal(found[key], value)


@settings(max_examples=100, deadline=None)
@given(values)
def test_decodes_what_tensorflow_wrote(mapping):
    _assert_equal(example.decode(_as_proto(mapping).SerializeToString()), mapping)


@settings(max_examples=100, deadline=None)
@given(values)
def test_tensorflow_parses_what_is_encoded(mapping):
    import tensorflow as tf

    payload = example.encode(mapping)
    assert tf.train.Example.FromString(payload) == _as_proto(mapping)
    assert payload == example.encode(dict(reversed(mapping.items())))
    _assert_equal(example.decode(payload), mapping)


@settings(max_examples=50, deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), values)
def test_one_integer_is_found_without_decoding(number, others):
    payload = example.encode({**others, "wanted": np.array([number], np.int64)})
    assert example.Labels(("wanted",)).read(payload) == (number,)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_an_example_or_a_bad_one(payload):
    with suppress(example.BadExample):
        example.decode(payload)


@settings(max_examples=100, deadline=None)
@given(values.filter(bool), st.data())
def test_a_cut_off_example_never_decodes_to_something_else(mapping, data):
    payload = example.encode(mapping)
    cut = payload[: data.draw(st.integers(1, len(payload) - 1))]
    with pytest.raises(example.BadExample):
        example.decode(cut)


def test_unpacked_lists_and_split_messages_are_read():
    # Feature with a float_list whose values come one by one (wire type 5), and an int64_list in two pieces.
    one = np.float32(1.5).tobytes()
    float_list = b"\x0d" + one + b"\x0d" + one
    feature = b"\x12" + bytes([len(float_list)]) + float_list
    entry = b"\x12" + bytes([len(feature)]) + feature + b"\x0a\x01f"  # the value before the key
    int_feature = b"\x1a\x02\x08\x05" + b"\x1a\x03\x0a\x01\x06"
    int_entry = b"\x0a\x01i" + b"\x12" + bytes([len(int_feature)]) + int_feature
    features = b"".join(b"\x0a" + bytes([len(item)]) + item for item in (entry, int_entry))
    payload = b"\x0a" + bytes([len(features)]) + features + b"\x78\x01"  # and an unknown field
    import tensorflow as tf

    proto = tf.train.Example.FromString(payload).features.feature
    found = example.decode(payload)
    assert found["f"].tolist() == list(proto["f"].float_list.value) == [1.5, 1.5]
    assert found["i"].tolist() == list(proto["i"].int64_list.value) == [5, 6]


def test_what_is_absent_or_of_another_type_is_none():
    payload = example.encode({"a": np.array([1.0], np.float32), "b": np.array([1, 2], np.int64)})
    assert example.Labels("abc").read(payload) == (None, None, None)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="float64"):
        example.encode({"a": np.zeros(1)})
