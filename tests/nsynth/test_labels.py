"""The walk to single integers against TensorFlow's parsers, and what is remembered against a fresh walk."""

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.nsynth import example, features, labels
from components.nsynth.example import BadExample, Labels
from tests.notes import make_note
from tests.nsynth.encodings import BYTES, KEYS, VARINT, damaged, entry, examples, field, varint
from tests.nsynth.parsers import REFUSED, read_with_cpp, read_with_python, read_with_tf_data

FIVE = field(3, field(1, b"\x05"))
SIX = field(3, field(1, b"\x06"))


def _read(payload, keys=KEYS, reader=None):
    try:
        return (reader or Labels(keys)).read(payload)
    except BadExample:
        return REFUSED


def _single(reading):
    """What Labels makes of what a parser says."""
    return reading if reading == REFUSED else reading[0] if reading is not None and len(reading) == 1 else None


@settings(max_examples=300, deadline=None)
@given(examples())
def test_every_valid_encoding_is_read_as_protobuf_reads_it(payload):
    found = _read(payload)
    assert found == tuple(_single(read_with_python(payload, key)) for key in KEYS)
    assert found == tuple(_single(read_with_cpp(payload, key)) for key in KEYS)
    assert found == tuple(Labels((key,)).read(payload)[0] for key in KEYS)


@settings(max_examples=300, deadline=None)
@given(examples(unknown_fields_in_entries=True))
def test_an_entry_with_unknown_fields_counts_as_it_does_in_tensorflow_itself(payload):
    """The parser for Python keeps such an entry as an unknown field of the map, that for C++ reads it."""
    assert _read(payload) == tuple(_single(read_with_cpp(payload, key)) for key in KEYS)


@settings(max_examples=600, deadline=None)
@given(damaged(st.one_of(examples(), examples(unknown_fields_in_entries=True))), st.sampled_from(KEYS))
def test_what_tensorflow_refuses_is_refused_and_nothing_else(payload, key):
    found, python, cpp = (
        _single(reading) if isinstance(reading, tuple) else reading
        for reading in (_read(payload, (key,)), read_with_python(payload, key), read_with_cpp(payload, key))
    )
    if python == cpp:
        assert found == python
    else:
        assert found in (python, cpp)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)))
def test_what_tensorflow_writes_is_read_as_tf_data_reads_it(values):
    payload = example.encode({key: np.array(numbers, np.int64) for key, numbers in values.items()})
    assert _read(payload) == tuple(_single(read_with_tf_data(payload, key)) for key in KEYS)


NOTABLE = {
    "the value before the key": (field(1, field(1, field(2, FIVE) + field(1, b"k"))), 5),
    "the key twice in an entry": (field(1, field(1, field(1, b"z") + field(1, b"k") + field(2, FIVE))), 5),
    "an entry without a value": (field(1, field(1, field(1, b"k"))), None),
    "a later entry without a value": (field(1, entry(b"k", FIVE) + field(1, field(1, b"k"))), None),
    "a key that comes again": (field(1, entry(b"k", FIVE) + entry(b"k", SIX)), 6),
    "features in two pieces": (field(1, entry(b"k", FIVE)) + field(1, entry(b"j", SIX)), 5),
    "features in two pieces, the key in both": (field(1, entry(b"k", FIVE)) + field(1, entry(b"k", SIX)), 6),
    "a value that comes twice is merged": (field(1, field(1, field(1, b"k") + field(2, FIVE) + field(2, SIX))), None),
    "a value and an empty one": (field(1, field(1, field(1, b"k") + field(2, FIVE) + field(2, b""))), 5),
    "a list that comes twice is merged": (field(1, entry(b"k", FIVE + SIX)), None),
    "a list and an empty one": (field(1, entry(b"k", FIVE + field(3, b""))), 5),
    "another kind of list takes over": (field(1, entry(b"k", FIVE + field(1, field(1, b"x")))), None),
    "and is taken over": (field(1, entry(b"k", FIVE + field(1, field(1, b"x")) + SIX)), 6),
    "not packed": (field(1, entry(b"k", field(3, b"\x08\x05"))), 5),
    "packed and not": (field(1, entry(b"k", field(3, b"\x08\x05\x0a\x01\x06"))), None),
    "a number of ten bytes": (field(1, entry(b"k", field(3, field(1, varint(-1))))), -1),
    "bits above the 64th": (field(1, entry(b"k", field(3, field(1, b"\xff" * 9 + b"\x7f")))), -1),
    "eleven bytes": (field(1, entry(b"k", field(3, field(1, b"\x80" * 10 + b"\x01")))), REFUSED),
    "a number cut off": (field(1, entry(b"k", field(3, field(1, b"\x80")))), REFUSED),
    "a number of nine bytes for five": (field(1, entry(b"k", field(3, field(1, varint(5, 9))))), 5),
    "an unknown group": (b"\x3b\x40\x01\x3c" + field(1, entry(b"k", FIVE)), 5),
    "a group with the features' number": (b"\x0b\x0c" + field(1, entry(b"k", FIVE)), 5),
    "a hundred groups inside each other": (b"\x3b" * 100 + b"\x3c" * 100 + field(1, entry(b"k", FIVE)), 5),
    "one more": (b"\x3b" * 101 + b"\x3c" * 101 + field(1, entry(b"k", FIVE)), REFUSED),
    "four messages around 96 groups": (field(1, entry(b"k", field(3, b"\x08\x05" + b"\x3b" * 96 + b"\x3c" * 96))), 5),
    "around 97": (field(1, entry(b"k", field(3, b"\x08\x05" + b"\x3b" * 97 + b"\x3c" * 97))), REFUSED),
    "a group that does not end": (field(1, entry(b"k", FIVE)) + b"\x3b", REFUSED),
    "a group that another one ends": (b"\x3b\x44" + field(1, entry(b"k", FIVE)), REFUSED),
    "an end without a group": (field(1, entry(b"k", FIVE)) + b"\x3c", REFUSED),
    "field number zero": (field(1, entry(b"k", FIVE)) + b"\x00\x01", REFUSED),
    "wire type six": (field(1, entry(b"k", FIVE)) + b"\x0e", REFUSED),
    "a tag of five bytes": (varint(1 << 3 | BYTES, 5) + field(1, entry(b"k", FIVE))[1:], 5),
    "a tag of six bytes": (varint(1 << 3 | BYTES, 6) + field(1, entry(b"k", FIVE))[1:], REFUSED),
    "features of another wire type": (varint(1 << 3 | VARINT) + b"\x05" + field(1, entry(b"k", FIVE)), 5),
    "a key that is not UTF-8": (field(1, entry(b"k", FIVE) + entry(b"\xff", SIX)), REFUSED),
    "a key with a surrogate": (field(1, entry(b"k", FIVE) + entry(b"\xed\xa0\x80", SIX)), REFUSED),
    "floats of five bytes elsewhere": (
        field(1, entry(b"k", FIVE) + entry(b"f", field(2, field(1, b"12345")))),
        REFUSED,
    ),
    "a damaged feature elsewhere": (field(1, entry(b"k", FIVE) + entry(b"f", b"\x1a")), REFUSED),
    "a SequenceExample": (
        field(1, entry(b"k", FIVE)) + field(2, field(1, field(1, b"l") + field(2, field(1, SIX)))),
        5,
    ),
    "nothing at all": (b"", None),
}


@pytest.mark.parametrize("name", NOTABLE)
def test_notable_encodings(name):
    payload, expected = NOTABLE[name]
    assert _single(read_with_python(payload, "k")) == _single(read_with_cpp(payload, "k")) == expected
    (found,) = (REFUSED,) if (read := _read(payload, ("k",))) == REFUSED else read
    assert found == expected


# (payload, ours, protobuf for Python, protobuf for C++, tf.data): where they differ, and which one is followed.
DIFFERENCES = {
    "an unknown field in an entry": (
        field(1, field(1, field(1, b"k") + field(2, FIVE) + b"\x38\x03")),
        5,
        None,
        5,
        REFUSED,
    ),
    "a length of six bytes": (b"\x0a\x8c\x80\x80\x80\x80\x00" + entry(b"k", FIVE), 5, 5, REFUSED, 5),
    "a tag above 32 bits": (b"\x8a\x80\x80\x80\x10" + field(1, entry(b"k", FIVE))[1:], REFUSED, REFUSED, 5, None),
    "lists that merge": (field(1, entry(b"k", FIVE + field(1, b"") + SIX)), 6, 6, 6, 5),
    "a key that is not UTF-8": (field(1, entry(b"k", FIVE) + entry(b"\xff", SIX)), REFUSED, REFUSED, REFUSED, 5),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_where_tensorflows_parsers_differ(name):
    payload, *expected = DIFFERENCES[name]
    readings = [read(payload, "k") for read in (read_with_python, read_with_cpp, read_with_tf_data)]
    (found,) = (REFUSED,) if (read := _read(payload, ("k",))) == REFUSED else read
    assert [found, *map(_single, readings)] == expected


@pytest.fixture(scope="module")
def note():
    return make_note("string", 60)


@settings(max_examples=300, deadline=None)
@given(st.lists(examples(), min_size=1, max_size=2), st.data())
def test_what_is_remembered_is_as_strict_as_a_walk(payloads, data):
    """One reader for many payloads of the same lengths, and a fresh one for each."""
    reader = Labels(KEYS)
    for _ in range(8):
        payload = bytearray(data.draw(st.sampled_from(payloads)))
        for _ in range(data.draw(st.integers(0, 2)) if payload else 0):
            byte = data.draw(st.sampled_from([0, 1, 5, 10, 0x7F, 0x80, 0xFF]))
            payload[data.draw(st.integers(0, len(payload) - 1))] = byte
        assert _read(bytes(payload), reader=reader) == _read(bytes(payload))


def test_every_byte_of_a_notes_structure_counts(note):
    payload = note.encode()
    keys = ("instrument/family", "instrument/label", "pitch", "qualities/dark", "audio", "none")
    reader = Labels(keys)
    assert reader.read(payload) == reader.read(payload) == (8, 8, 60, 0, None, None)
    spans = [span for feature in features.features(payload).values() for span in feature.spans]
    structure = set(range(len(payload))) - {position for start, stop in spans for position in range(start, stop)}
    near = {position + step for span in spans for position in span for step in (-1, 0, 1)} & set(range(len(payload)))
    assert 500 < len(structure) < 1000
    for position in sorted(structure | near):
        for flip in (0x01, 0x80):
            changed = bytearray(payload)
            changed[position] ^= flip
            reader.read(payload)
            assert _read(bytes(changed), keys, reader) == _read(bytes(changed), keys), position


def test_a_record_of_a_known_shape_is_not_walked_again(note, monkeypatch):
    reader = Labels(["pitch", "instrument/label"])
    reader.read(note.encode())
    values = example.decode(note.encode())
    other = example.encode({**values, "pitch": np.array([61], np.int64), "audio": values["audio"] * 2})
    monkeypatch.setattr(labels, "features", None)
    assert reader.read(other) == (61, 8)


def test_several_shapes_of_one_length_are_known():
    one, two = (field(1, entry(key, FIVE)) for key in (b"k", b"j"))
    reader = Labels(["k"])
    assert [reader.read(payload) for payload in (one, two, one, two)] == [(5,), (None,), (5,), (None,)]


def test_what_is_remembered_is_bounded():
    draw = random.Random(1)
    reader = Labels(["k"])
    tracemalloc.start()
    for _ in range(1500):
        keys = [bytes(draw.choices(b"abcdefgh", k=draw.randrange(1, 40))) for _ in range(30)]
        payload = field(1, b"".join(entry(key, FIVE) for key in keys)) + field(9, bytes(draw.randrange(1000)))
        reader.read(payload)
    kept_bytes, _ = tracemalloc.get_traced_memory()
    assert kept_bytes < 16 << 20
    huge = field(1, b"".join(entry(str(number).encode(), FIVE) for number in range(20_000)))
    before_bytes, _ = tracemalloc.get_traced_memory()
    assert reader.read(huge) == (None,)
    after_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after_bytes - before_bytes < 2 * len(huge), "a huge structure must not be kept"
