"""Registered models as folders: what `models:/ddsp-string@champion` names, fetched so that it can be loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.artifacts.model_card import CARD_NAME
from components.core.errors import InputError, nearest

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCHEME = "models:"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@contextmanager
def fetched(uri: str, tracking_uri: str = "") -> Iterator[str]:
    """Yields the address of a model that Instrument.load takes, for as long as the block runs.

    Args:
        uri: models:/NAME@ALIAS or models:/NAME/VERSION of a registry; any other address is passed on as it is.
        tracking_uri: The registry; "" for what MLFLOW_TRACKING_URI names.

    Raises:
        InputError: The registry cannot be reached, or there is no such model, version or alias.
    """
    if not uri.startswith(SCHEME):
        yield uri
        return
    with TemporaryDirectory(prefix="luthier-model-") as scratch:
        yield str(_fetch(uri, tracking_uri, Path(scratch)))


def _fetch(uri: str, tracking_uri: str, folder: Path) -> Path:
    found = _URI.fullmatch(uri)
    if not found:
        raise InputError(f"got the model '{uri}', expected models:/NAME@ALIAS or models:/NAME/VERSION")
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    from components.registry.connection import open_client, resolved

    client, where = open_client(tracking_uri), resolved(tracking_uri)
    try:
        version = _version(client, uri, **found.groupdict())
        source = client.get_model_version_download_uri(found["name"], version)
        copied = mlflow.artifacts.download_artifacts(
            source, dst_path=str(folder), tracking_uri=where, registry_uri=where
        )
    except (MlflowException, OSError) as error:
        raise InputError(
            f"cannot fetch '{uri}' from MLflow at '{where}': {error}; is it MLflow, and are the model's files there?"
        ) from error
    cards = list(Path(copied).rglob(CARD_NAME))
    if not cards:
        raise InputError(f"'{uri}' is not one of Luthier's models: got no {CARD_NAME} in its artifacts")
    return cards[0].parent


def _version(client: MlflowClient, uri: str, name: str, alias: str | None, version: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        named = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, version)
    except MlflowException:
        raise InputError(_not_there(client, uri, name)) from None
    return str(named.version)


def _not_there(client: MlflowClient, uri: str, name: str) -> str:
    """Says which part of a model's URI names nothing, and what there is."""
    known = {model.name: model for model in client.search_registered_models(max_results=1000)}
    if name not in known:
        there = nearest(name, known) if known else "nothing is registered there"
        return f"there is no registered model '{name}': {there}"
    versions = sorted(int(version.version) for version in client.search_model_versions(f"name = '{name}'"))
    aliases = ", ".join(f"@{alias}" for alias in sorted(known[name].aliases)) or "none"
    return f"there is no '{uri}': {name} has the versions {', '.join(map(str, versions)) or 'none'}, aliases {aliases}"
