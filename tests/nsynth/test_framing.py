"""TFRecord framing against TensorFlow's own reader and writer."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.nsynth.framing import FRAMING_BYTES, BadRecord, Record, frame, read_records, scan

payloads = st.lists(st.binary(max_size=300), max_size=6)


@settings(max_examples=25, deadline=None)
@given(payloads)
def test_tensorflow_reads_what_is_framed_and_the_other_way_round(tmp_path_factory, written):
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("framing")
    ours, theirs = folder / "ours", folder / "theirs"
    ours.write_bytes(b"".join(map(frame, written)))
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        for payload in written:
            writer.write(payload)
    assert ours.read_bytes() == theirs.read_bytes()
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(ours))] == written
    with theirs.open("rb") as stream:
        assert [record.payload for record in read_records(stream, "theirs")] == written


@settings(max_examples=100, deadline=None)
@given(payloads)
def test_offsets_and_frames_cover_the_shard(written):
    shard = b"".join(map(frame, written))
    records = list(read_records(io.BytesIO(shard), "x"))
    assert b"".join(record.framed for record in records) == shard
    assert all(shard[record.offset :].startswith(record.framed) for record in records)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.data())
def test_every_flipped_bit_is_noticed_and_no_byte_is_lost(written, data):
    shard = bytearray(b"".join(map(frame, written)))
    position = data.draw(st.integers(0, len(shard) - 1))
    shard[position] ^= 1 << data.draw(st.integers(0, 7))
    items = list(scan(io.BytesIO(bytes(shard)), "x"))
    bad = [item for item in items if isinstance(item, BadRecord)]
    assert len(bad) == 1
    assert bad[0].offset <= position < bad[0].offset + len(bad[0].framed)
    assert b"".join(item.framed for item in items) == bytes(shard)
    assert {item.payload for item in items if isinstance(item, Record)} <= set(written)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.data())
def test_truncation_is_noticed(written, data):
    shard = b"".join(map(frame, written))
    ends = {0}
    for payload in written:
        ends.add(max(ends) + len(payload) + FRAMING_BYTES)
    kept = data.draw(st.integers(0, len(shard) - 1))
    items = list(scan(io.BytesIO(shard[:kept]), "x"))
    assert any(isinstance(item, BadRecord) for item in items) == (kept not in ends)
    assert b"".join(item.framed for item in items) == shard[:kept]


def test_the_message_says_where_and_why():
    shard = frame(b"first") + frame(b"second")[:-1]
    with pytest.raises(
        BadRecord, match=r"'some-shard' at byte 21: the shard ends within the record \(1 bytes are missing\)"
    ):
        list(read_records(io.BytesIO(shard), "some-shard"))
