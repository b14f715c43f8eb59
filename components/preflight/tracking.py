"""Checks the registry: that MLflow answers, accepts the credentials and has a usable experiment."""

from __future__ import annotations

from collections.abc import Iterator

from components.core.errors import InputError
from components.preflight.finding import Finding, Status
from components.registry import client
from components.registry.sqlite_uri import is_sqlite


def check_registry(tracking_uri: str, in_cluster: bool) -> Iterator[Finding]:
    """Asks MLflow for what a registration will need. Changes nothing.

    Args:
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.
        in_cluster: Whether pods will use it: these do not share a SQLite database.

    Raises:
        InputError: There is no tracking URI, or the registry cannot be used.
    """
    uri = client.resolve_uri(tracking_uri)
    if is_sqlite(uri):
        if in_cluster:
            raise InputError(
                f"the tracking URI '{uri}' is a database on the disk of one pod: expected the URL of an MLflow server"
            )
        exists = client.open_client_if_exists(uri) is not None
        yield Finding("registry", Status.OK, f"{uri} {'is usable' if exists else 'will be created'}")
        return
    client.check_usable(uri)
    yield Finding("registry", Status.OK, f"MLflow at {uri} answers")
