"""The protocol buffer wire format: https://protobuf.dev/programming-guides/encoding.

Everything is told by position, so that nothing of a payload is copied. What protobuf's parsers refuse is refused here:
see tests/nsynth/test_labels.py for where those of C++ and of Python differ, and which one is followed.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32 = range(6)

_LONGEST_VARINT = 10
_LONGEST_TAG = 5
_DEEPEST = 100  # protobuf's limit of messages and groups inside each other


class BadExample(ValueError):  # noqa: N818 (reads as what it is)
    """The bytes are not a tf.train.Example, or not of the expected fields."""


def varint(data: bytes, start: int, stop: int, longest: int = _LONGEST_VARINT) -> tuple[int, int]:
    """Reads an unsigned varint; bits above the 64th are dropped, as protobuf does.

    Args:
        data: What it lies in.
        start: Where it starts.
        stop: Where the message around it ends.
        longest: Of how many bytes it may be.

    Returns:
        Its value and the position behind it.

    Raises:
        BadExample: It does not end in time.
    """
    value = shift = 0
    for position in range(start, min(start + longest, stop)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + 1
        shift += 7
    raise BadExample(f"no number at byte {start}")


def int64(data: bytes, start: int, stop: int) -> int:
    """Reads the signed varint that starts at `start`. Errors as of `varint`."""
    value, _ = varint(data, start, stop)
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes, start: int, stop: int, depth: int) -> Iterator[tuple[int, int, int, int]]:
    """Walks the fields of a message, groups skipped: no message that is read here has any.

    Args:
        data: What the message lies in.
        start: Where it starts.
        stop: Where it ends.
        depth: How many messages there are around it.

    Yields:
        (field number, wire type, start, stop), with the position of the content: of a number, its own.

    Raises:
        BadExample: These bytes are not a message.
    """
    while start < stop:
        tag = data[start]
        if tag < 0x80:
            start += 1
        else:
            tag, start = _long_tag(data, start, stop)
        number, wire_type = tag >> 3, tag & 7
        if not number:
            raise BadExample(f"a field without a number before byte {start}")
        if wire_type == START_GROUP:
            start = _behind_group(data, start, stop, number, depth)
            continue
        if wire_type == BYTES and start < stop and (length := data[start]) < 0x80:
            # What nearly every field of an Example is, without a call.
            start += 1
            end = start + length
            if end > stop:
                raise _too_long(start)
        else:
            start, end = _content(data, start, stop, wire_type)
        yield number, wire_type, start, end
        start = end


def _content(data: bytes, start: int, stop: int, wire_type: int) -> tuple[int, int]:
    """Returns where a field's content, which is behind its tag and length, starts and ends."""
    if wire_type == BYTES:
        length, start = varint(data, start, stop)
        end = start + length
    elif wire_type == VARINT:
        _, end = varint(data, start, stop)
    elif wire_type == FIXED32:
        end = start + 4
    elif wire_type == FIXED64:
        end = start + 8
    else:
        raise BadExample(f"wire type {wire_type} before byte {start}")
    if end > stop:
        raise _too_long(start)
    return start, end


def _too_long(start: int) -> BadExample:
    return BadExample(f"a field at byte {start} ends behind its message")


def _long_tag(data: bytes, start: int, stop: int) -> tuple[int, int]:
    tag, end = varint(data, start, stop, _LONGEST_TAG)
    if tag >> 32:
        raise BadExample(f"a tag above 32 bits at byte {start}")
    return tag, end


def _behind_group(data: bytes, start: int, stop: int, number: int, depth: int) -> int:
    """Returns the position behind a group, from the position behind the tag that starts it."""
    open_groups = [number]
    while open_groups:
        if depth + len(open_groups) > _DEEPEST:
            raise BadExample(f"more than {_DEEPEST} groups inside each other at byte {start}")
        tag, start = _long_tag(data, start, stop)
        number, wire_type = tag >> 3, tag & 7
        if not number:
            raise BadExample(f"a field without a number before byte {start}")
        if wire_type == START_GROUP:
            open_groups.append(number)
        elif wire_type == END_GROUP:
            if open_groups.pop() != number:
                raise BadExample(f"another group ends before byte {start} than the one that started last")
        else:
            _, start = _content(data, start, stop, wire_type)
    return start
