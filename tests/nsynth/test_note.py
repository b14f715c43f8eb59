import dataclasses

import numpy as np
import pytest

from components.core.errors import InputError
from components.nsynth import example
from components.nsynth.families import check_family
from components.nsynth.note import Note
from tests.notes import make_note


def test_a_note_survives_the_round_trip():
    note = make_note("keyboard", 61, seed=3)
    back = Note.decode(note.encode())
    for field in dataclasses.fields(Note):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(note, field.name))
    assert back.encode() == note.encode()


def test_the_record_has_the_public_layout():
    import tensorflow as tf

    note = make_note("string", 60)
    features = tf.train.Example.FromString(note.encode()).features.feature
    assert len(features) == 21
    assert features["qualities/tempo-synced"].int64_list.value == [0]
    assert features["instrument/family"].int64_list.value == [8]
    assert (
        len(note.encode()) == 272_583 - 29 + len(note.id) - 1
    )  # of the published record: id of 29 bytes, label of two


def test_what_is_not_a_note_says_what_is_wrong():
    values = example.decode(make_note().encode())
    with pytest.raises(example.BadExample, match="no 'f0/hz'"):
        Note.decode(example.encode({key: value for key, value in values.items() if key != "f0/hz"}))
    with pytest.raises(example.BadExample, match="'audio' is not 64000 floats"):
        Note.decode(example.encode({**values, "audio": np.zeros(5, np.float32)}))
    with pytest.raises(example.BadExample, match=r"'instrument/family' is 11, expected 0\.\.10"):
        Note.decode(example.encode({**values, "instrument/family": np.array([11], np.int64)}))
    with pytest.raises(example.BadExample, match=r"'id' is not UTF-8: b'gr\\xfcn'"):
        Note.decode(example.encode({**values, "id": [b"gr\xfcn"]}))


def test_the_nearest_family_is_offered():
    assert check_family("string") == "string"
    with pytest.raises(InputError, match="'strings': did you mean 'string'"):
        check_family("strings")
