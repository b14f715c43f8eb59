"""A fuzz target: mutated shards through the scanner and the walk to the labels.

    python -m tests.nsynth.fuzz_shards --seconds 60 --seed 1

It checks, for every mutant, that the scan ends within a deadline and a memory bound; that every byte is in one item and
all checksums are right; that every record is one of the originals with the label that it always had, or else one that
TensorFlow's own reader and parser take, with the same label; and that no original is lost that is still whole.
"""

from __future__ import annotations

import io
import math
import random
import struct
import tempfile
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import google_crc32c

from components.nsynth.example import BadExample, Labels
from components.nsynth.framing import Record, Scanner, frame
from tests import fuzz_command
from tests.deadline import deadline
from tests.nsynth.encodings import entry, field, varint
from tests.nsynth.shards import header, masked

KEY = "instrument/family"
DEADLINE_S = 20
# The mutants have at most 2 MB, and a length that is believed until the shard ends allocates nothing.
MEMORY_BYTES = 16 << 20


def _payload(draw: random.Random, label: int) -> bytes:
    """An Example with the label, one of several kinds and sizes."""
    audio = draw.randbytes(draw.choice([0, 4, 40, 400, 4000, 40_000]) & ~3) if draw.random() < 0.7 else bytes(8000)
    number = varint(label, draw.choice([0, 0, 0, 2, 10]))
    integer = field(3, field(1, number)) if draw.random() < 0.8 else field(3, b"\x08" + number)
    entries = [
        entry(b"audio", field(2, field(1, audio))),
        entry(b"id", field(1, field(1, draw.randbytes(draw.randrange(8)).hex().encode()))),
        entry(KEY.encode(), integer),
        entry(b"pitch", field(3, field(1, varint(draw.randrange(128))))),
    ]
    draw.shuffle(entries)
    return field(1, b"".join(entries))


def _mutate(draw: random.Random, shard: bytearray, offsets: list[int]) -> str:
    """Changes a shard in place; returns what was done."""
    kind = draw.choice(["flip", "cut", "end", "insert", "swap", "double", "length", "payload", "fake", "zero"])
    start = draw.randrange(len(shard) + 1)
    stop = min(len(shard), start + draw.choice([1, 4, 12, 100, 5000]))
    at = draw.choice(offsets)
    whole = at + 16 <= len(shard)
    if kind == "flip" and start < len(shard):
        shard[draw.choice([start, min(at + draw.randrange(16), len(shard) - 1)])] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del shard[start:stop]
    elif kind == "end":
        del shard[start:]
    elif kind == "insert":
        shard[start:start] = draw.randbytes(draw.choice([1, 12, 300]))
    elif kind == "swap":
        other = draw.randrange(len(shard) + 1)
        shard[start:stop], shard[other : other + stop - start] = shard[other : other + stop - start], shard[start:stop]
    elif kind == "double":
        shard[start:start] = shard[start:stop]
    elif kind == "length" and whole:
        shard[at : at + 12] = header(_length(draw, bytes(shard[at : at + 8])))
    elif kind == "payload" and whole:
        _repaired_payload(draw, shard, at)
    elif kind == "fake":
        shard[start:start] = header(_length(draw, bytes(8))) * draw.choice([1, 10, 1000])
    elif kind == "zero":
        shard[start:stop] = bytes(stop - start)
    return kind


def _length(draw: random.Random, length: bytes) -> int:
    (near,) = struct.unpack("<Q", length)
    edits = [near + draw.randrange(-20, 20), draw.randrange(100_000), 1 << draw.randrange(64), (64 << 20) + 1, 0]
    return draw.choice(edits) & (1 << 64) - 1


def _repaired_payload(draw: random.Random, shard: bytearray, at: int) -> None:
    """Changes a payload and its CRC, so that the record is whole and another one."""
    (length,) = struct.unpack_from("<Q", shard, at)
    if not 0 < length <= len(shard) - at - 16:
        return
    for _ in range(draw.randrange(1, 4)):
        shard[at + 12 + min(draw.randrange(length), draw.choice([length, 200])) % length] = draw.choice(
            [0, 1, 8, 10, 0x1A, 0x80, draw.randrange(256)]
        )
    payload = bytes(shard[at + 12 : at + 12 + length])
    shard[at + 12 + length : at + 16 + length] = struct.pack("<I", masked(payload))


def _check_by_tensorflow(record: Record, label: int | str | None) -> None:
    import tensorflow as tf

    from tests.nsynth.parsers import read_with_cpp, read_with_python

    with tempfile.NamedTemporaryFile() as shard:
        Path(shard.name).write_bytes(record.framed)
        assert [read.numpy() for read in tf.data.TFRecordDataset(shard.name)] == [record.payload]
    readings = [read_with_python(record.payload, KEY), read_with_cpp(record.payload, KEY)]
    labels = [
        reading if isinstance(reading, str) else reading[0] if reading and len(reading) == 1 else None
        for reading in readings
    ]
    assert label in labels, (record, label, labels)


def _walk(shard: bytes, size: int | None, reader: Labels) -> list[tuple[Record, int | str | None]]:
    """Scans a mutant, with all that is true of any scan checked; returns the records with their labels."""
    scanner, records, position = Scanner(io.BytesIO(shard), "mutant", size), [], 0
    for item in scanner:
        span = shard[position : position + item.size]
        assert (item.offset, len(span)) == (position, item.size), item
        assert item.size > 0, item
        position += item.size
        if isinstance(item, Record):
            assert (item.framed, item.crc32c) == (span, google_crc32c.value(span)), item
            try:
                (label,) = reader.read(item.payload)
            except BadExample:
                label = "refused"
            records.append((item, label))
    assert (position, scanner.offset, scanner.crc32c) == (len(shard), len(shard), google_crc32c.value(shard))
    return records


def _check_none_lost(shard: bytes, records: list[Record], originals: dict[bytes, int]) -> int:
    """Every original that is whole in the mutant is a record, or lies within one; returns how many there are."""
    spans = [(record.offset, record.offset + record.size) for record in records]
    found = 0
    for payload in originals:
        framed = frame(payload)
        start = shard.find(framed)
        while start >= 0:
            end = start + len(framed)
            assert any(low < end and start < high for low, high in spans), (start, end, spans)
            found += 1
            start = shard.find(framed, start + 1)
    return found


def fuzz(seed: int, seconds: float = math.inf, mutants: float = math.inf) -> Counter[str]:
    """Tries so many mutants, or for so long; counts what it met. An AssertionError or TimeoutError names the mutant."""
    met, number, reader, ends = Counter[str](), 0, Labels([KEY]), time.monotonic() + seconds
    while number < mutants and time.monotonic() < ends:
        number += 1
        draw = random.Random(f"{seed}-{number}")
        labels = [draw.choice([*range(11), 11, -1, 1 << 40]) for _ in range(draw.randrange(1, 9))]
        originals = {_payload(draw, label): label for label in labels}
        framed = [frame(payload) for payload in originals]
        shard = bytearray(b"".join(framed))
        offsets = [sum(map(len, framed[:index])) for index in range(len(framed))]
        done = [_mutate(draw, shard, offsets) for _ in range(draw.choice([1, 1, 1, 2, 3, 5]))]
        try:
            met.update(_check(bytes(shard), originals, draw.random() < 0.5, reader))
        except (AssertionError, TimeoutError, MemoryError) as error:
            raise type(error)(f"seed {seed}, mutant {number} ({', '.join(done)}): {error}") from error
        met.update({"mutants": 1, **Counter(done)})
    return met


def _check(shard: bytes, originals: dict[bytes, int], size_known: bool, reader: Labels) -> Counter[str]:
    met = Counter[str]()
    tracemalloc.start()
    try:
        with deadline(DEADLINE_S):
            records = _walk(shard, len(shard) if size_known else None, reader)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < MEMORY_BYTES, f"{peak_bytes} bytes for a shard of {len(shard)}"
    for record, label in records:
        if record.payload in originals:
            assert label == originals[record.payload], (record, label)
            met["originals"] += 1
    for record, label in {item[0].payload: item for item in records}.values():
        if record.payload not in originals:
            _check_by_tensorflow(record, label)
            met["refused by TensorFlow too" if label == "refused" else "new by TensorFlow too"] += 1
    met["whole"] = _check_none_lost(shard, [record for record, _ in records], originals)
    return met


if __name__ == "__main__":
    fuzz_command.main(__doc__, fuzz)
