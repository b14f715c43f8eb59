"""The sort of one split, and what it wrote."""

from components import storage
from components.sort import step
from components.sort.result import SortResult


def sort(source: object, out: object, split: str = "train", **options: object) -> SortResult:
    """Sorts one split; `options` as of SortOptions."""
    return step.sort(str(source), str(out), (split,), step.SortOptions(**options)).splits[split]


def all_bytes(root: object) -> dict[str, bytes]:
    """Returns every file below a root, by name."""
    return {info.name: storage.read_bytes(info.uri) for info in storage.list_objects(str(root))}
