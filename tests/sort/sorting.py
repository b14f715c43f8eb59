"""The sort of one split, what it wrote, and its processes."""

from pathlib import Path

from components import storage
from components.sort import step
from components.sort.result import SortResult


def sort(source: object, out: object, split: str = "train", **options: object) -> SortResult:
    """Sorts one split; `options` as of SortOptions."""
    return step.sort(str(source), str(out), (split,), step.SortOptions(**options)).splits[split]


def all_bytes(root: object) -> dict[str, bytes]:
    """Returns every file below a root, by name."""
    return {info.name: storage.read_bytes(info.uri) for info in storage.list_objects(str(root))}


def processes_of(session: int) -> list[str]:
    """Returns the processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(stat.parent.name)
    return found
