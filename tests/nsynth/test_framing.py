"""TFRecord framing against TensorFlow's own reader and writer, and against a scanner that looks at every byte."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.nsynth.framing import BadRecord, Damage, Record, frame, read_records, scan
from tests.nsynth.shards import Dripping, header, scan_and_check, slow_scan

payloads = st.lists(st.binary(max_size=300), max_size=6)
short_payloads = st.lists(st.binary(max_size=40), min_size=1, max_size=4)
pieces = st.one_of(
    st.binary(max_size=40).map(frame),
    st.binary(max_size=20),
    st.integers(0, 200).map(header),
    st.integers(0, 30).map(bytes),
    st.binary(max_size=40).map(lambda payload: frame(payload)[:-1]),
    st.binary(max_size=40).map(lambda payload: frame(payload)[1:]),
    st.binary(max_size=40).map(lambda payload: frame(payload + frame(payload))),
)


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
    with theirs.open("rb", buffering=0) as stream:
        assert [record.payload for record in read_records(stream, "theirs")] == written


@settings(max_examples=100, deadline=None)
@given(payloads)
def test_whole_shards(written):
    shard = b"".join(map(frame, written))
    records = scan_and_check(shard, len(shard))
    assert [record.payload for record in records] == written
    assert list(read_records(io.BytesIO(shard), "x")) == records


@settings(max_examples=200, deadline=None)
@given(short_payloads, st.data())
def test_every_flipped_bit_is_one_damage_of_that_record_alone(written, data):
    shard = bytearray(b"".join(map(frame, written)))
    position = data.draw(st.integers(0, len(shard) - 1))
    intact = [record for record in scan_and_check(bytes(shard)) if not 0 <= position - record.offset < record.size]
    shard[position] ^= 1 << data.draw(st.integers(0, 7))
    items = scan_and_check(bytes(shard), data.draw(st.sampled_from([None, len(shard)])))
    assert [item for item in items if isinstance(item, Record)] == intact
    (damage,) = (item for item in items if isinstance(item, Damage))
    assert damage.offset <= position < damage.offset + damage.size


@settings(max_examples=100, deadline=None)
@given(short_payloads, st.data())
def test_truncation_is_noticed_and_costs_one_record(written, data):
    shard = b"".join(map(frame, written))
    kept = data.draw(st.integers(0, len(shard) - 1))
    whole = [record for record in scan_and_check(shard) if record.offset + record.size <= kept]
    items = scan_and_check(shard[:kept], data.draw(st.sampled_from([None, kept])))
    end = whole[-1].offset + whole[-1].size if whole else 0
    assert items[: len(whole)] == whole
    assert [(item.offset, item.size) for item in items[len(whole) :]] == ([(end, kept - end)] if kept > end else [])


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=8).map(b"".join), st.booleans())
def test_the_search_finds_what_a_search_byte_by_byte_finds(shard, size_known):
    items = scan_and_check(shard, len(shard) if size_known else None)
    assert [(item.offset, item.size, isinstance(item, Record)) for item in items] == slow_scan(shard)


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces, max_size=8).map(b"".join), st.integers(13, 60))
def test_the_chunks_of_the_search_do_not_matter(shard, chunk_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.nsynth.window._CHUNK_BYTES", chunk_bytes)
        assert [(item.offset, item.size) for item in scan_and_check(shard)] == [item[:2] for item in slow_scan(shard)]


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces, max_size=8).map(b"".join))
def test_a_stream_that_gives_little_at_a_time_gives_the_same(shard):
    assert list(scan(Dripping(shard), "x")) == scan_and_check(shard)


def test_the_message_says_where_and_why():
    shard = frame(b"first") + frame(b"second")[:-1]
    with pytest.raises(
        BadRecord, match=r"'some-shard' at byte 21: the shard ends within the record \(1 byte missing\)"
    ) as caught:
        list(read_records(io.BytesIO(shard), "some-shard"))
    assert (caught.value.shard, caught.value.offset, caught.value.size) == ("some-shard", 21, 21)
