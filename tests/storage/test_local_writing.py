"""Local files: no larger than their content, whole after any death of their writer, clear about a full disk."""

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from components import storage
from components.storage import local_writing


def _run(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], stdout=subprocess.PIPE)


@pytest.mark.parametrize("size", [1, 5000, 3 << 20, 40 << 20])
def test_what_was_allocated_too_much_is_given_back(tmp_path, size):
    uri = str(tmp_path / "x")
    with storage.open_write(uri) as stream:
        for _ in range(0, size, 1 << 20):
            stream.write(bytes(min(size, 1 << 20)))
    found = os.stat(uri)  # noqa: PTH116
    assert found.st_size == size
    assert found.st_blocks * 512 <= size + (64 << 10)


def test_more_pieces_than_one_call_of_the_system_takes(tmp_path):
    pieces = [b"%06d" % number for number in range(5000)]
    with storage.open_write(str(tmp_path / "x")) as stream:
        stream.writelines(pieces)
    assert storage.read_bytes(str(tmp_path / "x")) == b"".join(pieces)


def test_a_file_system_that_cannot_allocate_ahead(tmp_path, monkeypatch):
    monkeypatch.setattr(local_writing, "_libc", local_writing._NoCalls)
    storage.write_bytes(str(tmp_path / "x"), bytes(20 << 20))
    assert storage.stat(str(tmp_path / "x")).size == 20 << 20


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def link(source, target):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", link)
    uri = str(tmp_path / "x")
    storage.write_bytes(uri, b"1", "0")
    with pytest.raises(storage.Conflict):
        storage.write_bytes(uri, b"2", "0")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert storage.read_bytes(uri) == b"1"


def test_a_full_disk_is_one_line_with_the_files_name(tmp_path):
    """A limit on the size of files stands for the full disk: the same calls fail."""
    code = """
        import resource, signal, sys
        from components import storage
        from components.core.errors import StepError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
        try:
            with storage.open_write(sys.argv[1]) as stream:
                for _ in range(100):
                    stream.writelines([bytes(12), bytes(272_583), bytes(4)])
        except StepError as error:
            print(error)
    """
    out, _ = _run(code, tmp_path / "x.bin").communicate()
    assert (
        out.decode().strip()
        == f"cannot write '{tmp_path}/x.bin': File too large; free some space and run the command again"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_object(tmp_path):
    code = """
        import sys, time
        from components import storage
        with storage.open_write(sys.argv[1]) as stream:
            stream.write(bytes(3_000_000))
            print("written", flush=True)
            time.sleep(60)
    """
    writer = _run(code, tmp_path / "x")
    assert writer.stdout.readline() == b"written\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert storage.list_objects(str(tmp_path)) == []
    (leftover,) = tmp_path.iterdir()
    assert leftover.name.startswith(".x.")
    assert leftover.stat().st_size == 3_000_000
    storage.delete_leftovers(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_of_many_writers_one_wins(tmp_path):
    code = """
        import sys
        from components import storage
        try:
            with storage.open_write(sys.argv[1], "0") as stream:
                stream.write(sys.argv[2].encode())
                print("ready", flush=True)
                sys.stdin.readline()
            print("won", flush=True)
        except storage.Conflict:
            print("lost", flush=True)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "x")]
    writers = [
        subprocess.Popen([*arguments, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    ended = [writer.communicate(b"\n")[0] for writer in writers]
    assert sorted(ended) == [b"lost\n"] * 3 + [b"won\n"]
    assert storage.read_bytes(str(tmp_path / "x")) == b"%d" % ended.index(b"won\n")
