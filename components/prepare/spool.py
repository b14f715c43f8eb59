"""Records on local disk until it is known to which split they belong, so that memory does not grow with recordings."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from components.core.errors import StepError
from components.nsynth.framing import FRAMING_BYTES, frame


class Span(NamedTuple):
    """Where a record is in the spool, with its framing: first byte and number of bytes."""

    start: int
    size: int

    @property
    def payload_bytes(self) -> int:
        """Size of the record without its framing."""
        return self.size - FRAMING_BYTES


class Spool:
    """A temporary file of records; made by `spool`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._end = stream, 0

    def add(self, payload: bytes) -> Span:
        """Appends a record. StepError where the disk is full."""
        framed = frame(payload)
        try:
            self._stream.seek(self._end)
            self._stream.write(framed)
        except OSError as error:
            raise _failed(error) from error
        span = Span(self._end, len(framed))
        self._end += len(framed)
        return span

    def drop(self, spans: list[Span]) -> None:
        """Forgets the newest records."""
        if spans:
            self._end = spans[0].start

    def copy(self, span: Span, target: BinaryIO) -> None:
        """Writes a record to a shard, with its framing."""
        self._stream.seek(span.start)
        target.write(self._stream.read(span.size))


@contextmanager
def spool() -> Iterator[Spool]:
    """Yields an empty spool in the directory for temporary files (TMPDIR); it is removed at the end."""
    with tempfile.TemporaryFile(prefix="luthier-") as stream:
        yield Spool(stream)


def _failed(error: OSError) -> StepError:
    return StepError(
        f"cannot write records to '{tempfile.gettempdir()}': {error.strerror}; "
        "free some space, or set TMPDIR to another directory"
    )
