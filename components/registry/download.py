"""Downloads registered models: `models:/ddsp-string@champion` as a local directory that can be loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components import storage
from components.artifacts.model_card import CARD_NAME, LARGEST_CARD_BYTES, MODEL_FILES, ModelCard
from components.core.errors import InputError, nearest
from components.core.scratch import scratch_directory

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MOST_LEVELS = 3  # MLflow keeps a model in artifacts/<name of its directory>/
SCHEME = "models:"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@contextmanager
def downloaded(uri: str, tracking_uri: str = "") -> Iterator[str]:
    """Yields the URI of a model that Instrument.load takes; a downloaded one is deleted when the block ends.

    Args:
        uri: models:/NAME@ALIAS or models:/NAME/VERSION of a registry; any other URI is returned as it is.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.

    Raises:
        InputError: The registry cannot be reached, or there is no such model, version or alias.
    """
    if not uri.startswith(SCHEME):
        yield uri
        return
    with scratch_directory() as scratch:
        yield str(_download(uri, tracking_uri, scratch))


def _download(uri: str, tracking_uri: str, target: Path) -> Path:
    found = _URI.fullmatch(uri)
    if not found:
        raise InputError(f"got the model '{uri}', expected models:/NAME@ALIAS or models:/NAME/VERSION")
    from mlflow.exceptions import MlflowException

    from components.registry.client import mlflow_errors, open_client, resolve_uri

    client, mlflow_uri = open_client(tracking_uri), resolve_uri(tracking_uri)
    with mlflow_errors(mlflow_uri):
        try:
            version = _version(client, uri, **found.groupdict())
            source = client.get_model_version_download_uri(found["name"], version)
            return _Artifacts(source, mlflow_uri, target).model(uri)
        except (MlflowException, OSError) as error:
            raise InputError(
                f"cannot download '{uri}' from MLflow at '{mlflow_uri}': {error}; check the URI and that MLflow still "
                "has the model's files"
            ) from error


class _Artifacts:
    """The files of a version in MLflow. What MLflow says of them is untrusted: only a model's own are downloaded."""

    def __init__(self, source_uri: str, mlflow_uri: str, directory: Path) -> None:
        self._source_uri, self._mlflow_uri, self._directory = source_uri.rstrip("/"), mlflow_uri, directory

    def model(self, uri: str) -> Path:
        """Downloads a model: its card, and the files that the card names. Returns its local directory."""
        sizes = self._sizes()
        if not sizes:
            raise InputError(
                f"cannot download '{uri}': MLflow at '{self._mlflow_uri}' no longer has its files; try another version"
            )
        cards = [path for path in sizes if path.rpartition("/")[2] == CARD_NAME]
        if not cards:
            raise InputError(
                f"'{uri}' is not a model of Luthier: got no {CARD_NAME} among its files; try a version that Luthier "
                "has registered"
            )
        folder = cards[0].removesuffix(CARD_NAME)
        card = ModelCard.read(str(self._download(cards[0], sizes, LARGEST_CARD_BYTES).parent))
        for name in card.crc32c:
            if folder + name in sizes:  # the loading says what is missing
                self._download(folder + name, sizes, MODEL_FILES[name])
        return self._directory / folder

    def _sizes(self) -> dict[str, int]:
        """Returns the paths below the version's directory that can hold a model, with their sizes in bytes."""
        import mlflow.artifacts

        found, left = dict[str, int](), [("", 0)]
        while left:
            path, level = left.pop(0)
            listed = mlflow.artifacts.list_artifacts(
                artifact_uri=f"{self._source_uri}/{path}".rstrip("/"), tracking_uri=self._mlflow_uri
            )
            for info in listed:
                # Relative to the listed directory, or to the version's, depending on the kind of store.
                below = storage.check_name(f"{path}/{info.path.rpartition('/')[2]}".lstrip("/"))
                if not info.is_dir:
                    found[below] = info.file_size or 0
                elif level < _MOST_LEVELS:
                    left.append((below, level + 1))
        return found

    def _download(self, path: str, sizes: dict[str, int], largest_bytes: int) -> Path:
        import mlflow.artifacts

        target = storage.local_path(self._directory, path)
        if sizes[path] > largest_bytes:
            raise InputError(
                f"cannot download '{path}': it has {sizes[path]:,} bytes, expected {largest_bytes:,} at most"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        copied = mlflow.artifacts.download_artifacts(
            artifact_uri=f"{self._source_uri}/{path}", dst_path=str(target.parent), tracking_uri=self._mlflow_uri
        )
        if Path(copied) != target:
            Path(copied).replace(target)
        return target


def _version(client: MlflowClient, uri: str, name: str, alias: str | None, version: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        named = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, version)
    except MlflowException:
        raise InputError(_not_found(client, uri, name)) from None
    return str(named.version)


def _not_found(client: MlflowClient, uri: str, name: str) -> str:
    """Returns the error message for a URI that names no model: which part is wrong, and what there is."""
    known = {model.name: model for model in client.search_registered_models(max_results=1000)}
    if name not in known:
        there = nearest(name, known) if known else "nothing is registered there"
        return f"there is no registered model '{name}': {there}"
    versions = sorted(int(version.version) for version in client.search_model_versions(f"name = '{name}'"))
    aliases = ", ".join(f"@{alias}" for alias in sorted(known[name].aliases)) or "none"
    return f"there is no '{uri}': {name} has the versions {', '.join(map(str, versions)) or 'none'}, aliases {aliases}"
