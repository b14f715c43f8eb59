"""The entries of listings, the errors of storage, and the interface of a backend."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, NamedTuple, Protocol, TypeAlias

from components.core.errors import InputError, StepError


def crc32c_base64(crc: int) -> str:
    """Returns a CRC32C as Cloud Storage writes it: base64 of its four bytes, most significant first."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode("ascii")


def crc32c_number(crc32c: str) -> int:
    """Returns the number of a CRC32C in base64; the inverse of `crc32c_base64`."""
    return int.from_bytes(base64.b64decode(crc32c), "big")


class Changed(InputError):  # noqa: N818 (reads as what it is)
    """An object was replaced between its listing and the end of its reading."""


class NotJson(InputError):  # noqa: N818 (reads as what it is)
    """An object was read, and its content is not JSON."""


class Conflict(StepError):  # noqa: N818 (reads as what it is)
    """An object is not of the generation that a write's `if_generation_match` requires; nothing was changed."""


class Corrupted(StepError):  # noqa: N818 (reads as what it is)
    """The bytes that arrived do not have the checksum of the bytes that were sent."""


@dataclass(frozen=True)
class ObjectInfo:
    """One object of a listing.

    Attributes:
        uri: The whole URI.
        name: The name below the listed prefix, with forward slashes.
        size: Bytes.
        generation: Changes with the content: Cloud Storage's generation, or a local file's time of modification in ns.
    """

    uri: str
    name: str
    size: int
    generation: str
    _crc32c: Callable[[], str] = field(repr=False, compare=False)

    @cached_property
    def crc32c(self) -> str:
        """Base64 of the content's CRC32C. On local disk the first use reads the file."""
        return self._crc32c()


class PassedOver(NamedTuple):
    """What a walk leaves out: its name below the root, and the reason."""

    name: str
    reason: str


class Tree(NamedTuple):
    """The files below a directory, sorted by name, and what a walk of it has left out."""

    objects: list[ObjectInfo]
    passed_over: list[PassedOver]


WhyPassOver: TypeAlias = Callable[[str, Sequence[str] | None], str | None]
"""Returns the reason to pass an entry over, None to take it: of a name below the root, whatever it is; and of the name
of a directory and the names of its entries."""


class Backend(Protocol):
    """The functions that facade.py needs for a kind of storage. Errors about missing objects are InputErrors."""

    def list_objects(self, prefix_uri: str) -> list[ObjectInfo]: ...

    def stat(self, uri: str) -> ObjectInfo | None: ...

    def exists(self, uri: str) -> bool: ...

    def open_read(
        self, uri: str, generation: str | None, start: int, size: int | None
    ) -> AbstractContextManager[BinaryIO]: ...

    def open_object(self, info: ObjectInfo) -> AbstractContextManager[BinaryIO]: ...

    def open_write(
        self, uri: str, if_generation_match: str | None, chunk_bytes: int
    ) -> AbstractContextManager[BinaryIO]: ...

    def delete(self, uri: str) -> None: ...

    def delete_tree(self, uri: str) -> None: ...

    def delete_leftovers(self, uri: str) -> None: ...
