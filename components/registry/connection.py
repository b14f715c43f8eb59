"""A way into MLflow: a SQLite file on a laptop, a server in a cluster."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from components.core import environment
from components.core.errors import InputError
from components.core.locks import file_lock

_SQLITE = "sqlite:///"
_ANSWER_WITHIN_S = 10
_LONGEST_REGISTRATION_S = 1800.0

# alembic tells of each of the 60 migrations of a fresh database.
logging.getLogger("alembic").setLevel(logging.WARNING)


def open_client(tracking_uri: str) -> MlflowClient:
    """Opens MLflow.

    Args:
        tracking_uri: "sqlite:///PATH", a server's URL, or "" for what MLFLOW_TRACKING_URI names (Kubeflow Pipelines
            sets it).

    Raises:
        InputError: No tracking URI, a server that does not answer, no database, or one of another version of MLflow.
    """
    uri = resolved(tracking_uri)
    if uri.startswith(_SQLITE) and not _path(uri).exists():
        raise InputError(f"there is no MLflow database at '{_path(uri)}'; register a training first")
    if uri.startswith(("http://", "https://")):
        _check_answers(uri)
    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except MlflowException as error:
        raise InputError(f"cannot use MLflow at '{uri}': {error.message}") from error


def open_client_if_there(tracking_uri: str) -> MlflowClient | None:
    """Opens MLflow as `open_client` does; None where its SQLite database is still to be made."""
    uri = resolved(tracking_uri)
    return None if uri.startswith(_SQLITE) and not _path(uri).exists() else open_client(uri)


@contextmanager
def connected(tracking_uri: str, experiment: str) -> Iterator[tuple[MlflowClient, str]]:
    """Opens MLflow for writing, and makes the experiment if need be.

    A SQLite database is created with its folder, artifacts go to `artifacts` beside it, and nobody else who comes this
    way writes to it meanwhile: the registrations of two families, started at once, follow each other.

    Args:
        tracking_uri: See `open_client`.
        experiment: The experiment's name.

    Yields:
        The client, and the experiment's id.

    Raises:
        InputError: See `open_client`; or the experiment was deleted.
    """
    uri = resolved(tracking_uri)
    if not uri.startswith(_SQLITE):
        client = open_client(uri)
        yield client, _experiment_id(client, experiment, artifacts=None)
        return
    folder = _path(uri).parent
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / ".lock", _LONGEST_REGISTRATION_S):
        if not _path(uri).exists():
            _make_database(_path(uri))
        client = open_client(uri)
        yield client, _experiment_id(client, experiment, artifacts=(folder / "artifacts").as_uri())


def _path(sqlite_uri: str) -> Path:
    return Path(sqlite_uri.removeprefix(_SQLITE)).absolute()


def _make_database(path: Path) -> None:
    """Makes the database elsewhere first: one whose making was interrupted can neither be used nor upgraded."""
    new = path.parent / ".new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    MlflowClient(tracking_uri=f"{_SQLITE}{new / path.name}")
    (new / path.name).replace(path)
    shutil.rmtree(new)


def _check_answers(uri: str) -> None:
    """MLflow's own retries take minutes to say that nobody is there. Any answer will do, a refusal as well."""
    credentials = get_default_host_creds(uri)
    try:
        http_request(credentials, "/health", "GET", max_retries=0, timeout=_ANSWER_WITHIN_S, raise_on_status=False)
    except MlflowException as error:
        raise InputError(f"cannot reach MLflow at '{uri}': got no answer; is that its URL, and does it run?") from error


def resolved(tracking_uri: str) -> str:
    """Returns the registry's address: the one given, else MLFLOW_TRACKING_URI's. InputError where there is neither."""
    uri = tracking_uri or environment.get(environment.MLFLOW_TRACKING_URI)
    if not uri:
        raise InputError("there is no MLflow to use: got no tracking URI, expected 'sqlite:///PATH' or a server's URL")
    return uri


def _experiment_id(client: MlflowClient, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # on a server, another was faster
    if found.lifecycle_stage != "active":
        raise InputError(
            f"the experiment '{name}' was deleted: try 'mlflow experiments restore -x {found.experiment_id}'"
        )
    return str(found.experiment_id)
