"""Downloads registered models: `models:/ddsp-string@champion` as a local directory that can be loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts.model_card import CARD_NAME
from components.core.errors import InputError, nearest
from components.core.scratch import scratch_directory

if TYPE_CHECKING:
    from mlflow import MlflowClient

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
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    from components.registry.client import open_client, resolve_uri

    client, mlflow_uri = open_client(tracking_uri), resolve_uri(tracking_uri)
    try:
        version = _version(client, uri, **found.groupdict())
        source = client.get_model_version_download_uri(found["name"], version)
        copied = mlflow.artifacts.download_artifacts(
            source, dst_path=str(target), tracking_uri=mlflow_uri, registry_uri=mlflow_uri
        )
    except (MlflowException, OSError) as error:
        raise InputError(
            f"cannot download '{uri}' from MLflow at '{mlflow_uri}': {error}; check the URI and that MLflow still has "
            "the model's files"
        ) from error
    cards = list(Path(copied).rglob(CARD_NAME))
    if not cards:
        raise InputError(f"'{uri}' is not a model of Luthier: got no {CARD_NAME} among its files")
    return cards[0].parent


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
