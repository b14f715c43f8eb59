"""The protocol buffer wire format: https://protobuf.dev/programming-guides/encoding.

Functions return positions, so no part of a payload is copied. They reject what protobuf's parsers reject:
tests/nsynth/test_labels.py shows how the parsers of C++ and Python differ, and which one is followed.
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
        data: The bytes that hold it.
        start: Its position.
        stop: The end of its message.
        longest: The most bytes that it may have.

    Returns:
        Its value and the position after it.

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
    raise BadExample(f"no valid number at byte {start}")


def int64(data: bytes, start: int, stop: int) -> int:
    """Reads the signed varint that starts at `start`. Errors as in `varint`."""
    value, _ = varint(data, start, stop)
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes, start: int, stop: int, depth: int) -> Iterator[tuple[int, int, int, int]]:
    """Iterates over the fields of a message. Groups are skipped: no message that is read here has any.

    Args:
        data: The bytes that hold the message.
        start: Its start.
        stop: Its end.
        depth: The number of messages that contain it.

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
            start = _end_of_group(data, start, stop, number, depth)
            continue
        if wire_type == BYTES and start < stop and (length := data[start]) < 0x80:
            # Nearly every field of an Example: decoded here, to save a call.
            start += 1
            end = start + length
            if end > stop:
                raise _too_long(start)
        else:
            start, end = _content(data, start, stop, wire_type)
        yield number, wire_type, start, end
        start = end


def _content(data: bytes, start: int, stop: int, wire_type: int) -> tuple[int, int]:
    """Returns start and end of a field's content, which follows its tag and length."""
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
    return BadExample(f"a field at byte {start} ends after its message")


def _long_tag(data: bytes, start: int, stop: int) -> tuple[int, int]:
    tag, end = varint(data, start, stop, _LONGEST_TAG)
    if tag >> 32:
        raise BadExample(f"a tag above 32 bits at byte {start}")
    return tag, end


def _end_of_group(data: bytes, start: int, stop: int, number: int, depth: int) -> int:
    """Returns the position after a group, from the position after the tag that starts it."""
    open_groups = [number]
    while open_groups:
        if depth + len(open_groups) > _DEEPEST:
            raise BadExample(f"more than {_DEEPEST} nested groups at byte {start}")
        tag, start = _long_tag(data, start, stop)
        number, wire_type = tag >> 3, tag & 7
        if not number:
            raise BadExample(f"a field without a number before byte {start}")
        if wire_type == START_GROUP:
            open_groups.append(number)
        elif wire_type == END_GROUP:
            if open_groups.pop() != number:
                raise BadExample(f"the group that ends before byte {start} is not the one that started last")
        else:
            _, start = _content(data, start, stop, wire_type)
    return start
