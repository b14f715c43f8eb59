"""Local rows: `luthier sort` against cp with as many processes, tf.data, and the notebook."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import timing
from benchmarks.process import run_commands, run_function
from benchmarks.records import Source
from benchmarks.report import Measured, Row
from benchmarks.timing import Contender, Run
from components.nsynth.sorted_set import SortedSet

_AS_CP = 0.9  # the ratio to cp that is asked of the sort

Say = Callable[[str], None]


def remove(folder: Path) -> None:
    """Removes the output of a run and waits until the disk is idle, so that no run pays for the one before."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()


def sort_contender(name: str, source: Source, out: Path, workers: int) -> Contender:
    """Returns `luthier sort` from disk to disk; its result is checked, outside the measurement."""

    def run() -> Run:
        measured = run_function("benchmarks.sort.ours:sort", source.folder, out, workers)
        check_sorted(out, source)
        return measured

    return Contender(name, run, lambda: remove(out))


def check_sorted(out: Path, source: Source) -> None:
    """Raises AssertionError if a sorted set is not complete."""
    totals = SortedSet.open(str(out)).families("train")
    found = {family: records for family, records in totals.items() if records}
    assert found == source.totals, (found, source.totals)
    size = sum(path.stat().st_size for path in Path(out, "train").glob("*/*.tfrecord"))
    assert size == source.bytes, (size, source.bytes)


def cp_contender(name: str, source: Source, out: Path, processes: int, durable: bool) -> Contender:
    """Returns `cp` of the shards by a number of processes; if durable, `sync` flushes the files to the disk."""

    def run() -> Run:
        out.mkdir(parents=True)
        measured = run_commands(
            [_cp(source.shards[index::processes], out, durable) for index in range(min(processes, len(source.shards)))]
        )
        assert sum(path.stat().st_size for path in out.iterdir()) == source.bytes
        return measured

    return Contender(name, run, lambda: remove(out))


def _cp(shards: Sequence[Path], out: Path, durable: bool) -> list[str]:
    copy = ["cp", "--", *map(str, shards), str(out)]
    if not durable:
        return copy
    flush = ["sync", "--", *(str(out / shard.name) for shard in shards), str(out)]
    return ["sh", "-c", f"{shlex.join(copy)} && {shlex.join(flush)}"]


def beside_cp(source: Source, work: Path, workers: int, rounds: int, on_disk: bool, say: Say) -> Measured:
    """Measures the sort against cp.

    Args:
        source: On the same file system as `work`.
        work: A folder to write to.
        workers: Of the sort, and processes of cp.
        rounds: How often.
        on_disk: Whether flushing means something: then cp runs with and without it, else only without.
        say: Called with progress.
    """
    contenders = [
        sort_contender("sort", source, work / "sorted", workers),
        cp_contender("cp", source, work / "copied", workers, durable=False),
    ]
    if on_disk:
        contenders.insert(1, cp_contender("cp and sync", source, work / "flushed", workers, durable=True))
    runs = timing.alternate(contenders, rounds, say)
    ours, ours_work, plain = timing.wall(runs["sort"]), timing.work(runs["sort"]), timing.wall(runs["cp"])
    many = f"{workers} process{'es' if workers > 1 else ''}"
    if on_disk:
        name, peer = f"disk-{workers}-durable", timing.wall(runs["cp and sync"])
        what = f"disk, {many}, both flushed to it: sort against `cp` and `sync`"
        other = f"disk, {many}: sort, flushed, against plain `cp`, not flushed"
        rows = [Row(f"disk-{workers}-cp-not-flushed", ours, plain, other)]
    else:
        name, peer, rows = f"memory-{workers}", plain, []
        what = f"memory file system (flushing is free there), {many}: sort against plain `cp`"
    rows = [
        Row(name, ours, peer, what, _AS_CP),
        Row(f"{name}-without-start-up", ours_work, peer, "the same without Python's start-up"),
        *rows,
    ]
    return Measured(rows, {f"{name}: {key}": timing.medians(series) for key, series in runs.items()})


def beside_tensorflow(source: Source, work: Path, rounds: int, cores: int, slice_records: int, say: Say) -> Measured:
    """Measures the sort against tf.data, which uses all cores, and the notebook on a slice.

    TensorFlow's own start-up, some seconds, is left out of its figures and in ours.
    """
    sliced = min(slice_records, source.records)

    def tf_data() -> Run:
        run = run_function("benchmarks.sort.peer_tensorflow:tf_data", source.folder, work / "tf")
        assert run.extra["records"] == source.records
        assert sum(path.stat().st_size for path in (work / "tf").iterdir()) == source.bytes
        return run

    def notebook() -> Run:
        run = run_function("benchmarks.sort.peer_tensorflow:notebook", source.folder, work / "notebook", sliced)
        assert run.extra["records"] == sliced
        return run

    contenders = [
        sort_contender("sort", source, work / "sorted", cores),
        Contender("tf.data", tf_data, lambda: remove(work / "tf")),
        Contender("notebook", notebook, lambda: remove(work / "notebook")),
    ]
    runs = timing.alternate(contenders, rounds, say)
    ours = timing.wall(runs["sort"])
    scaled = timing.work(runs["notebook"]).scaled(source.records / sliced)
    beside, slice_words = f"{cores} cores: sort against", f"{sliced} records scaled to all"
    rows = [
        Row("tf-data", ours, timing.work(runs["tf.data"]), f"{beside} a plain tf.data sort"),
        Row("notebook", ours, scaled, f"{beside} the notebook's way, {slice_words}"),
    ]
    return Measured(rows, {f"tensorflow: {key}": timing.medians(series) for key, series in runs.items()})
