"""Hypothesis strategies for tf.train.Examples in every encoding that a protocol buffer writer might choose."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32 = range(6)
KEYS = ("pitch", "instrument/family", "é", "")

int64s = st.one_of(st.integers(0, 10), st.integers(-(2**63), 2**63 - 1))


def varint(value: int, length: int = 0) -> bytes:
    """Writes a varint, padded to `length` bytes where it is shorter."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80 or len(out) + 1 < length:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    """Writes a length-delimited field in the usual way."""
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def entry(key: bytes, feature: bytes) -> bytes:
    """Writes one feature of the map in the usual way."""
    return field(1, field(1, key) + field(2, feature))


class _Writer:
    """Writes fields as a draw decides: numbers longer than needed, unknown fields and groups between them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def often(self) -> bool:
        return self._draw(st.booleans())

    def rarely(self) -> bool:
        return self._draw(st.integers(0, 7)) == 7

    def tag(self, number: int, wire_type: int) -> bytes:
        return varint(number << 3 | wire_type, 5 if self.rarely() else 0)

    def number(self, value: int) -> bytes:
        return varint(value, 10 if self.rarely() else 0)

    def field(self, number: int, content: bytes) -> bytes:
        return self.tag(number, BYTES) + varint(len(content), 5 if self.rarely() else 0) + content

    def noise(self) -> bytes:
        return b"".join(self.unknown(depth=0) for _ in range(self._draw(st.integers(1, 2)))) if self.rarely() else b""

    def unknown(self, depth: int) -> bytes:
        """A field that no message here has: of an unknown number, or of a known one's but of another type."""
        number = self._draw(st.sampled_from([4, 9, 100, 2**29 - 1]))
        wire_type = self._draw(st.sampled_from([VARINT, FIXED64, BYTES, FIXED32] + [START_GROUP] * (depth < 3)))
        tag = self.tag(number, wire_type)
        if wire_type == START_GROUP:
            inner = b"".join(self.unknown(depth + 1) for _ in range(self._draw(st.integers(0, 2))))
            return tag + inner + self.tag(number, END_GROUP)
        if wire_type == VARINT:
            return tag + self.number(self._draw(int64s))
        if wire_type == BYTES:
            return self.field(number, self._draw(st.binary(max_size=5)))
        return tag + bytes(8 if wire_type == FIXED64 else 4)

    def joined(self, fields: list[bytes], noise: bool = True) -> bytes:
        out = b""
        for item in fields:
            out += (self.noise() if noise else b"") + item
        return out + (self.noise() if noise else b"")

    def int64_list(self, values: list[int]) -> bytes:
        """The values packed, one by one, or some so and some so."""
        fields, rest = [], list(values)
        while rest:
            if self.often():
                fields.append(self.tag(1, VARINT) + self.number(rest.pop(0)))
            else:
                count = self._draw(st.integers(1, len(rest)))
                fields.append(self.field(1, b"".join(map(self.number, rest[:count]))))
                rest = rest[count:]
        if self.rarely():
            fields.append(self.field(1, b""))
        return self.joined(fields)

    def other_list(self) -> tuple[int, bytes]:
        if self.often():
            strings = self._draw(st.lists(st.binary(max_size=6), max_size=3))
            return 1, self.joined([self.field(1, string) for string in strings])
        floats = [struct.pack("<f", value) for value in self._draw(st.lists(st.just(1.5), max_size=3))]
        if self.often():
            return 2, self.joined([self.tag(1, FIXED32) + value for value in floats])
        return 2, self.joined([self.field(1, b"".join(floats))])

    def feature(self) -> bytes:
        """One list, or several of which the last kind counts, its pieces put together."""
        fields = []
        for _ in range(self._draw(st.sampled_from([1, 1, 1, 1, 0, 2, 3]))):
            if self._draw(st.integers(0, 3)):
                fields.append(self.field(3, self.int64_list(self._draw(st.lists(int64s, min_size=1, max_size=3)))))
            else:
                fields.append(self.field(*self.other_list()))
        return self.joined(fields)

    def entry(self, unknown_fields: bool) -> bytes:
        """A map's entry: key and value in any order, each there once, never or twice."""
        keys = self._draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=1 + self.rarely()))
        fields = [self.field(1, key.encode()) for key in keys]
        fields += [self.field(2, self.feature()) for _ in range(self._draw(st.sampled_from([1, 1, 1, 1, 0, 2])))]
        return self.field(1, self.joined(self._draw(st.permutations(fields)), noise=unknown_fields))


@st.composite
def examples(draw: st.DrawFn, unknown_fields_in_entries: bool = False) -> bytes:
    """Draws a valid Example.

    Args:
        draw: Hypothesis' own.
        unknown_fields_in_entries: Whether the map's entries have unknown fields, where parsers differ.
    """
    writer = _Writer(draw)
    fields = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 0, 2]))):
        entries = [writer.entry(unknown_fields_in_entries) for _ in range(draw(st.integers(0, 4)))]
        fields.append(writer.field(1, writer.joined(entries)))
    return writer.joined(fields)


@st.composite
def damaged(draw: st.DrawFn, payloads: st.SearchStrategy[bytes]) -> bytes:
    """Draws one of the payloads with a few bytes changed, left out, doubled or put in."""
    payload = bytearray(draw(payloads))
    likely = st.sampled_from([0, 1, 2, 3, 4, 5, 8, 10, 11, 12, 13, 18, 26, 0x7F, 0x80, 0xFF])
    for _ in range(draw(st.integers(1, 3))):
        position, byte = draw(st.integers(0, len(payload))), draw(st.one_of(likely, st.integers(0, 255)))
        stop = min(len(payload), position + draw(st.integers(1, 6)))
        match draw(st.integers(0, 3)):
            case 0:
                payload[position : position + 1] = bytes([byte])
            case 1:
                del payload[position:stop]
            case 2:
                payload[position:position] = payload[position:stop]
            case _:
                payload[position:position] = bytes([byte])
    return bytes(payload)
