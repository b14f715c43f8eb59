"""Errors of the system, and text from anywhere, as one line for a person."""

from __future__ import annotations

import errno
import os

import pytest

from components.core.errors import InputError, StepError, error_of_system, one_line


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENAMETOOLONG, errno.ENOTDIR])
def test_what_the_user_can_change_is_the_users(number):
    error = error_of_system(OSError(number, os.strerror(number), "/out/x"))
    assert isinstance(error, InputError)
    assert str(error) == f"the system refused: {os.strerror(number)}: '/out/x'; check the path and its permissions"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.ECONNRESET])
def test_what_may_pass_is_tried_again(number):
    error = error_of_system(OSError(number, os.strerror(number), b"/out/\xff", None, "/other"))
    assert isinstance(error, StepError)
    assert "'/other'" in str(error)
    one_line(str(error)).encode()


def test_a_message_is_one_line_that_a_terminal_only_shows():
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("\x1b[2Jred\u202e\ud800") == "\\x1b[2Jred\\u202e\\ud800"
    assert one_line("naïve 音") == "naïve 音"
    assert len(one_line("x" * 1_000_000)) < 3_000


@pytest.mark.parametrize("raised", [PermissionError(errno.EACCES, "Permission denied", "/out"), MemoryError()])
def test_a_command_ends_without_a_traceback(luthier, monkeypatch, raised):
    def listing(*_: object) -> str:
        raise raised

    monkeypatch.setattr("components.register.listing.listed_versions", listing)
    ended = luthier("models", "--tracking-uri", "sqlite:///x")
    assert ended.code == (2 if isinstance(raised, OSError) else 1)
    assert ended.err.startswith("luthier: ") and ended.err.count("\n") == 1


@pytest.mark.parametrize("uri", ["sqlite:///{}/text", "ftp://x", "nowhere"])
def test_what_is_no_registry_is_said_in_one_line(refused, tmp_path, uri):
    (tmp_path / "text").write_text("no database" * 100)
    assert "cannot use MLflow" in refused("models", "--tracking-uri", uri.format(tmp_path))
