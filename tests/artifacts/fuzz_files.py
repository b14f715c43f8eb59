"""A fuzz target: mutated files of models, trainings and sorted sets through everything that reads them.

    python -m tests.artifacts.fuzz_files --seconds 3600 --seed 1

It checks, for every mutant, that its reader returns, or raises an InputError whose message is one short line, within a
deadline and, every tenth time, a memory bound; and by an audit hook (PEP 578) that nothing is imported, executed or
connected to, that no file outside of the mutant's directory is opened, and that none is written.
"""

from __future__ import annotations

import copy
import json
import math
import os
import random
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any

from components.artifacts import evaluation
from components.artifacts.model_card import CARD_NAME, CONFIG_NAME, ModelCard, find_model
from components.artifacts.run_record import RECORD_NAME, RunRecord
from components.artifacts.training_dir import TrainingDir
from components.config.bindings import check_bindings, read_configuration
from components.config.catalog import gin_files
from components.core.errors import InputError
from components.export.target import MARKER_NAME, check_target
from components.nsynth.dataset_info import DATASET_INFO_NAME, shard_lengths
from components.nsynth.sorted_set import SortedSet
from components.registry.mlflow_values import points
from components.train.reproduce import EarlierTraining
from tests import fuzz_command
from tests.artifacts.mutants import mutated_json, mutated_text
from tests.artifacts.samples import CARD, DATASET_INFO, EVALUATION, MANIFEST, MARKER, METRICS, RECORD
from tests.deadline import deadline

DEADLINE_S = 10
LONGEST_MESSAGE = 1_500
MEMORY_BYTES = 64 << 20
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_FORBIDDEN = ("exec", "import", "os.", "socket.", "subprocess.", "shutil.", "ctypes.", "pickle.", "marshal.")
_HARMLESS = ("os.listdir", "os.scandir", "os.walk")


@dataclass
class _Audit:
    """What the hook has seen, while it watches."""

    thread: int = 0
    root: str = ""
    seen: tuple[str, ...] = ()

    def __call__(self, event: str, details: tuple[Any, ...]) -> None:
        # Other threads of the tests may still be at work.
        if self.root and self.thread == get_ident() and event != "object.__getattr__":
            if event == "open":
                self._opened(*details)
            elif event.startswith(_FORBIDDEN) and event not in _HARMLESS:
                self.seen += (f"{event} {str(details)[:200]}",)

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        writes = bool(isinstance(flags, int) and flags & _WRITES) or bool(
            isinstance(mode, str) and set(mode) & set("wax+")
        )
        inside = isinstance(path, str | os.PathLike) and os.path.realpath(path).startswith(self.root)
        if writes or not inside:
            self.seen += (f"open {str(path)[:200]} {mode} {flags}",)

    @contextmanager
    def watching(self, root: Path) -> Iterator[None]:
        self.thread, self.root, self.seen = get_ident(), os.path.realpath(root), ()
        try:
            yield
        finally:
            self.root = ""


_AUDIT = _Audit()


@dataclass(frozen=True)
class _Target:
    """A file, a valid content of it (a JSON value, or text), and what reads it in the directory that holds it."""

    name: str
    valid: Any
    read: Callable[[Path], object]


def _gin() -> str:
    return "\n".join(path.read_text() for path in gin_files("sinusoidal", "smoke"))


def _read_set(folder: Path) -> None:
    found = SortedSet.open(str(folder.parent))
    for split in found.splits():
        found.fingerprint(split)
        for family in found.present(split):
            found.family_fingerprint(family)


def _read_metrics(folder: Path) -> None:
    points(TrainingDir(str(folder)).metrics(), 0)


def _read_training(folder: Path) -> None:
    (folder / RECORD_NAME).write_text(json.dumps(RECORD))
    with _AUDIT.watching(folder):
        EarlierTraining.read(str(folder))


TARGETS: Mapping[str, _Target] = {
    "card": _Target(CARD_NAME, CARD, lambda folder: (find_model(str(folder)), ModelCard.read(str(folder)))),
    "record": _Target(RECORD_NAME, RECORD, lambda folder: RunRecord.read(str(folder / RECORD_NAME))),
    "evaluation": _Target("evaluation.json", EVALUATION, lambda folder: evaluation.read(str(folder))),
    "manifest": _Target("manifest.json", MANIFEST, _read_set),
    "dataset_info": _Target(DATASET_INFO_NAME, DATASET_INFO, lambda folder: shard_lengths(str(folder), "train")),
    "export": _Target(MARKER_NAME, MARKER, lambda folder: check_target(str(folder), ["saved_model", "README.md"])),
    "metrics": _Target("metrics.jsonl", METRICS, _read_metrics),
    "gin": _Target(CONFIG_NAME, _gin(), lambda folder: read_configuration(str(folder / CONFIG_NAME))),
    "from": _Target(CONFIG_NAME, _gin(), _read_training),
    "binding": _Target("binding", "train.max_steps = 400", lambda folder: check_bindings([_binding(folder)])),
}


def _binding(folder: Path) -> str:
    return (folder / "binding").read_bytes().decode(errors="replace")


def fuzz(seed: int, seconds: float = math.inf, mutants: float = math.inf) -> Counter[str]:
    """Tries so many mutants, or for so long; counts what it met. An AssertionError names the mutant."""
    if _AUDIT not in _HOOKED:
        sys.addaudithook(_AUDIT)
        _HOOKED.append(_AUDIT)
    met, number, ends = Counter[str](), 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as scratch:
        for kind, target in TARGETS.items():  # valid files are accepted, and what is imported late is imported now
            target.read(_written(Path(scratch, f"valid-{kind}", "train"), target, _content(target.valid)))
        while number < mutants and time.monotonic() < ends:
            number += 1
            draw = random.Random(f"{seed}-{number}")
            kind = draw.choice(list(TARGETS))
            target = TARGETS[kind]
            folder = Path(scratch, "mutant", "train")
            content = _mutant(draw, target.valid)
            try:
                outcome = _check(target, _written(folder, target, content), number % 10 == 0)
            except BaseException as error:
                kept = Path(tempfile.gettempdir(), f"luthier-mutant-{seed}-{number}")
                kept.write_bytes(content)
                raise AssertionError(f"seed {seed}, mutant {number} of {kind} ({kept}): {error!r}") from error
            met.update(["mutants", f"{kind} {outcome}"])
    return met


_HOOKED: list[_Audit] = []  # a hook cannot be removed


def _content(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def _mutant(draw: random.Random, valid: Any) -> bytes:
    return mutated_text(draw, valid) if isinstance(valid, str) else mutated_json(draw, copy.deepcopy(valid))


def _written(folder: Path, target: _Target, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    (folder / target.name).write_bytes(content)
    return folder


def _check(target: _Target, folder: Path, traced: bool) -> str:
    if traced:
        tracemalloc.start()
    outcome = "accepted"
    try:
        with deadline(DEADLINE_S), nullcontext() if target.read is _read_training else _AUDIT.watching(folder.parent):
            target.read(folder)
    except InputError as error:
        message = " ".join(str(error).split())
        assert len(message) <= LONGEST_MESSAGE, f"a message of {len(message)} characters"
        message.encode()
        outcome = "refused"
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()  # 0 where it does not trace
        tracemalloc.stop()
    assert not _AUDIT.seen, _AUDIT.seen[:3]
    assert peak_bytes < MEMORY_BYTES, f"{peak_bytes} bytes of memory"
    return outcome


if __name__ == "__main__":
    fuzz_command.main(__doc__, fuzz)
