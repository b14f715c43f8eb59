"""Sound files that cannot be written: one line, and nothing is left in their place."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from components.audio.writing import write_sound
from components.core.errors import StepError


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """No file grows beyond a size, as on a disk that is full."""
    earlier = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, earlier)


def test_a_full_disk_of_temporary_files_is_one_line(tmp_path: Path) -> None:
    target, scratch = tmp_path / "out" / "sound.wav", tmp_path / "scratch"
    scratch.mkdir()
    blocks = [np.full(64_000, 0.1, np.float32)] * 2
    with (
        pytest.raises(StepError, match=rf"cannot write a temporary sound into '{scratch}': .* TMPDIR"),
        _largest_file(300_000),
    ):
        write_sound(blocks, str(target), 16_000, scratch)
    assert not target.exists()
    write_sound(blocks, str(target), 16_000, scratch)
    assert target.stat().st_size == 2 * 128_000 + 44
