"""Shards damaged in every way that has a name: what comes out, and at what price."""

import io
import struct
import time
import tracemalloc

import pytest

from components.nsynth.framing import LONGEST_PAYLOAD, Damage, Record, Scanner, frame
from tests.nsynth.shards import MadeUp, header, scan_and_check

A, B, C = (frame(bytes([letter]) * size) for letter, size in ((65, 100), (66, 3000), (67, 0)))
CUT_OFF = "the shard ends within the record"
LENGTH_CRC, PAYLOAD_CRC = "the CRC of its length does not match", "the CRC of its payload does not match"


def _flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :]


# name: (shard, what comes out: a record as its bytes, damage as (size, reason))
DAMAGED = {
    "nothing": (b"", []),
    "a zero-length record": (C + C, [C, C]),
    "a bit of the length": (A + _flip(B, 1) + C, [A, (len(B), LENGTH_CRC), C]),
    "a bit of the length's CRC": (A + _flip(B, 9) + C, [A, (len(B), LENGTH_CRC), C]),
    "a bit of the payload": (A + _flip(B, 500) + C, [A, (len(B), PAYLOAD_CRC), C]),
    "a bit of the payload's CRC": (A + _flip(B, -2) + C, [A, (len(B), PAYLOAD_CRC), C]),
    "the first record's length": (_flip(A, 0) + B, [(len(A), LENGTH_CRC), B]),
    "the last record's length": (A + _flip(B, 0), [A, (len(B), LENGTH_CRC)]),
    "two neighbours' payloads": (_flip(A, 50) + _flip(B, 50) + C, [(len(A), PAYLOAD_CRC), (len(B), PAYLOAD_CRC), C]),
    "two neighbours' lengths": (_flip(A, 0) + _flip(B, 0) + C, [(len(A + B), LENGTH_CRC), C]),
    "a length, then a payload": (_flip(A, 0) + _flip(B, 50) + C, [(len(A + B), LENGTH_CRC), C]),
    "a payload, then a length": (_flip(A, 50) + _flip(B, 0) + C, [(len(A), PAYLOAD_CRC), (len(B), LENGTH_CRC), C]),
    "cut within a payload": (A + B[:1000], [A, (1000, CUT_OFF + " (2,016 bytes missing)")]),
    "cut within a header": (A + B[:7], [A, (7, "the shard ends within a record's header (7 bytes)")]),
    "cut before the last CRC": (
        A + B[:-4],
        [A, (len(B) - 4, CUT_OFF + " (4 bytes missing)")],
    ),
    "cut at its start": (A[30:] + B, [(len(A) - 30, LENGTH_CRC), B]),
    "bytes lost from a payload": (B[:700] + B[900:] + A + B, [(len(B) - 200, PAYLOAD_CRC), A, B]),
    "bytes lost over a border": (A[:50] + B[40:] + C, [(len(A), PAYLOAD_CRC), (len(B) - 106, LENGTH_CRC), C]),
    "bytes put into a payload": (B[:700] + b"?" * 99 + B[700:] + A, [(len(B), PAYLOAD_CRC), (99, LENGTH_CRC), A]),
    "bytes between records": (A + b"?" * 99 + B, [A, (99, LENGTH_CRC), B]),
    "zeros between records": (A + bytes(5000) + B, [A, (5000, LENGTH_CRC), B]),
    "zeros at the end": (A + bytes(5000), [A, (5000, LENGTH_CRC)]),
    "a record that comes twice": (A + B + B, [A, B, B]),
    "an absurd length": (A + header(1 << 40) + B, [A, (12, "its length is 1099511627776 bytes, expected at"), B]),
    "the longest length": (A + header((1 << 64) - 1) + B[12:], [A, (len(B), f"its length is {(1 << 64) - 1} bytes,")]),
    "a length that is right but for the record": (header(200) + A[12:] + B, [(len(A), PAYLOAD_CRC), B]),
    "a length that ends behind the shard": (
        header(9999) + A[12:] + B,
        [(len(A), CUT_OFF), B],
    ),
    "a length that is too short": (A + header(9) + B[12:] + C, [A, (25, PAYLOAD_CRC), (len(B) - 25, LENGTH_CRC), C]),
    "headers without records": (header(50) * 40 + A, [(66, PAYLOAD_CRC), (12 * 40 - 66, LENGTH_CRC), A]),
    "another file": (b"RIFF\x24\x50\x00\x00WAVEfmt " * 100, [(1600, LENGTH_CRC)]),
}


@pytest.mark.parametrize("size_known", [True, False], ids=["size known", "size unknown"])
@pytest.mark.parametrize("name", DAMAGED)
def test_damage(name, size_known):
    shard, expected = DAMAGED[name]
    items = scan_and_check(shard, len(shard) if size_known else None)
    assert len(items) == len(expected), items
    for item, wanted in zip(items, expected, strict=True):
        if isinstance(item, Record):
            assert item.framed == wanted
        else:
            assert (item.size, item.reason[: len(wanted[1])]) == wanted


def _scan_bounded(stream, size, known):
    tracemalloc.start()
    scanner = Scanner(stream, "shard", size if known else None)
    items = [(item.offset, item.size, type(item)) for item in scanner]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return items, peak_bytes


BLOCKS = {"zeros": bytes(1 << 20), "audio": b"\1\2\3" * 333_333, "lengths": b"\x80" + bytes(7)}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_the_rest_of_a_long_shard_is_searched_in_little_memory(block):
    size = 66 << 20  # more than the longest payload
    items, peak_bytes = _scan_bounded(MadeUp(A + b"damage" * 3, block, size), size, known=True)
    assert items == [(0, len(A), Record), (len(A), size - len(A), Damage)]
    assert peak_bytes < 16 << 20


def test_an_absurd_length_is_never_read():
    for length in (LONGEST_PAYLOAD + 1, 1 << 40):
        stream = MadeUp(A + header(length), bytes(1 << 20), 8 << 20)
        _, peak_bytes = _scan_bounded(stream, 8 << 20, known=False)
        assert stream.largest_read < 1 << 20
        assert peak_bytes < 16 << 20
    stream = MadeUp(header(60 << 20), bytes(1 << 20), 8 << 20)
    _scan_bounded(stream, 8 << 20, known=True)
    assert stream.largest_read < 1 << 20


@pytest.mark.parametrize(("before", "most_bytes"), [(b"?", LONGEST_PAYLOAD), (b"", 2 * LONGEST_PAYLOAD)])
def test_a_length_that_claims_much_holds_a_record_and_no_more(before, most_bytes):
    """Met in a search it is held once; met where a record should be, once more as the payload that it is not."""
    size = 80 << 20
    items, peak_bytes = _scan_bounded(MadeUp(before + header(60 << 20), bytes(1 << 20), size), size, known=False)
    assert sum(length for _, length, _ in items) == size
    assert {kind for _, _, kind in items} == {Damage}
    assert peak_bytes < most_bytes + (16 << 20)


@pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
@pytest.mark.parametrize(
    "piece",
    [header(30 << 20), header(1 << 20), A + header(30 << 20), A + b"?", C + header(8)],
    ids=["far", "near", "far between records", "between records", "short"],
)
def test_many_false_headers_take_no_quadratic_time(piece, known):
    """Were each false header's claim read and summed, this would take hours."""
    shard = piece * (200_000 // len(piece)) + bytes(40 << 20)
    started = time.process_time()
    scanner = Scanner(io.BytesIO(shard), "shard", len(shard) if known else None)
    assert sum(item.size for item in scanner) == len(shard)
    assert time.process_time() - started < 60


def test_what_was_read_ahead_is_used_up_and_reading_goes_on_as_before():
    shard = b"?" + b"".join(frame(struct.pack("<I", number) * 30_000) for number in range(20))
    stream = MadeUp(shard, b"\0", len(shard))
    assert [item.size for item in Scanner(stream, "shard", len(shard))] == [1] + [120_016] * 20
    assert stream.largest_read == 120_000  # and no more in pieces
