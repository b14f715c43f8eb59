"""Opens MLflow: a SQLite database on a laptop, a server in a cluster."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import requests
import urllib3
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from components.core import environment
from components.core.backoff import root_cause
from components.core.errors import InputError, NoAnswerError, StepError
from components.core.locks import file_lock
from components.core.redaction import redact
from components.registry.mlflow_values import EXPERIMENT, experiment_tags
from components.registry.sqlite_uri import is_sqlite, sqlite_path, sqlite_uri

_LONGEST_REASON = 300
HEALTH_TIMEOUT_S = 10
_LONGEST_ANSWER = 1 << 20  # bytes of an answer that are read
_LONGEST_EXCERPT = 200
_LONGEST_REGISTRATION_S = 1800.0
_ERRORS_OF_BUCKETS = (
    ("google.auth.exceptions", "GoogleAuthError"),
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
)

# alembic logs each of the 60 migrations of a new database.
logging.getLogger("alembic").setLevel(logging.WARNING)


def open_client(tracking_uri: str) -> MlflowClient:
    """Opens MLflow.

    Args:
        tracking_uri: "sqlite:///PATH" or a server's URL; "" for the value of MLFLOW_TRACKING_URI (Kubeflow Pipelines
            sets it).

    Raises:
        InputError: No tracking URI, no database, or one of another version of MLflow.
        NoAnswerError: The server does not answer.
    """
    uri = resolve_uri(tracking_uri)
    if is_sqlite(uri) and not sqlite_path(uri).exists():
        raise InputError(f"there is no MLflow database at '{sqlite_path(uri)}'; register a training first")
    if uri.startswith(("http://", "https://")):
        _check_reachable(uri)
        _answer(uri, "registered-models/search", {"max_results": "1"})  # the credentials, as one line
    with mlflow_errors(uri):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def mlflow_errors(uri: str) -> Iterator[None]:
    """Turns what MLflow and its database raise inside the block into one line that names the registry.

    Args:
        uri: The tracking URI.

    Raises:
        InputError: There is no registry of MLflow at the URI, or it refuses the request.
        StepError: It does not answer, or has an error of its own; or the place of its files has.
    """
    try:
        yield
    except MlflowException as error:
        message = f"cannot use MLflow at '{uri}': {str(error.message)[:_LONGEST_REASON]}"
        if _is_refusal(error.get_http_status_code()):
            raise InputError(f"{message}; check that it is MLflow's address") from error
        raise StepError(f"{message}; check the server, and that it is one of MLflow") from error
    except ModuleNotFoundError as error:  # such as a database's driver
        raise InputError(
            f"cannot use MLflow at '{uri}': the package '{error.name}', which it needs, is not installed; install it, "
            "or try the URL of an MLflow server"
        ) from error
    except _database_errors() as error:
        reason = str(getattr(error, "orig", error))[:_LONGEST_REASON]
        raise InputError(f"cannot use MLflow's database at '{uri}': {reason}; check the file") from error
    except _errors_of_files() as error:  # its own answers do not raise these: MLflow has no class for them
        message = f"cannot use the files of MLflow at '{uri}': {str(error)[:_LONGEST_REASON] or type(error).__name__}"
        response = getattr(error, "response", None)
        if isinstance(response, requests.Response) and _is_refusal(response.status_code):
            raise InputError(f"{message}; check the credentials") from error
        raise StepError(f"{message}; check the credentials, and the place where MLflow keeps its files") from error


def _is_refusal(status: int) -> bool:
    return status < 500 and status != 429


def _database_errors() -> tuple[type[Exception], ...]:
    """Returns the errors of MLflow's database. The data image has no SQLAlchemy, because it uses servers alone."""
    return _loaded(("sqlalchemy.exc", "SQLAlchemyError"))


def _errors_of_files() -> tuple[type[Exception], ...]:
    """Returns the errors of the places where MLflow keeps files: behind its server, or a bucket."""
    return (requests.RequestException, *_loaded(*_ERRORS_OF_BUCKETS))


def _loaded(*names: tuple[str, str]) -> tuple[type[Exception], ...]:
    """Returns the classes of modules that are loaded: one that is not has raised nothing."""
    found = ((sys.modules.get(module), name) for module, name in names)
    return tuple(getattr(module, name) for module, name in found if module)


def open_client_if_exists(tracking_uri: str) -> MlflowClient | None:
    """Opens MLflow as `open_client` does; returns None where the SQLite database does not exist yet."""
    uri = resolve_uri(tracking_uri)
    return None if is_sqlite(uri) and not sqlite_path(uri).exists() else open_client(uri)


@contextmanager
def open_for_writing(tracking_uri: str, experiment: str) -> Iterator[tuple[MlflowClient, str]]:
    """Opens MLflow for writing, and creates the experiment if it does not exist.

    A SQLite database is created with its directory, artifacts go to `artifacts` beside it, and a file lock is held: two
    registrations that start at the same time run one after the other.

    Args:
        tracking_uri: See `open_client`.
        experiment: The experiment's name.

    Yields:
        The client, and the experiment's id.

    Raises:
        InputError: See `open_client`; or the experiment was deleted.
    """
    uri = resolve_uri(tracking_uri)
    if not is_sqlite(uri):
        client = open_client(uri)
        yield client, _experiment_id(client, experiment, artifacts=None)
        return
    path = sqlite_path(uri)
    directory = path.parent
    directory.mkdir(parents=True, exist_ok=True)
    with file_lock(directory / ".lock", _LONGEST_REGISTRATION_S):
        if not path.exists():
            _create_database(path)
        client = open_client(sqlite_uri(path))
        yield client, _experiment_id(client, experiment, artifacts=(directory / "artifacts").as_uri())


def _create_database(path: Path) -> None:
    """Creates the database under another name first: MLflow can neither use nor upgrade one that is incomplete."""
    new = path.parent / ".new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    MlflowClient(tracking_uri=sqlite_uri(new / path.name))
    (new / path.name).replace(path)
    shutil.rmtree(new)


def _check_reachable(uri: str) -> None:
    """Asks for the server's health without MLflow's own retries, which take minutes. Any HTTP status will do."""
    credentials = get_default_host_creds(uri)
    try:
        http_request(credentials, "/health", "GET", max_retries=0, timeout=HEALTH_TIMEOUT_S, raise_on_status=False)
    except MlflowException as error:
        raise NoAnswerError(
            f"cannot reach MLflow at '{redact(uri)}': got no answer; check the URL and the server"
        ) from error


def check_usable(uri: str) -> None:
    """Asks a server for what a registration needs, without retries: a usable experiment, and registered models.

    Args:
        uri: The server's URL.

    Raises:
        InputError: It does not answer like MLflow, refuses the credentials, or the experiment was deleted.
        StepError: It does not answer, or reports an internal error.
    """
    found = _answer(uri, "experiments/get-by-name", {"experiment_name": EXPERIMENT}, may_be_missing=True)
    experiment = found.get("experiment") if found else {}
    if not isinstance(experiment, dict):
        raise _no_mlflow(uri, 200)
    if experiment.get("lifecycle_stage") == "deleted":
        raise InputError(_deleted(EXPERIMENT, experiment.get("experiment_id")))
    _answer(uri, "registered-models/search", {"max_results": "1"})


def _no_mlflow(uri: str, status: int) -> InputError:
    return InputError(
        f"there is no MLflow at '{redact(uri)}': got HTTP {status} and not the answer of MLflow's REST API; "
        "expected the URL of its server"
    )


def _answer(uri: str, call: str, parameters: dict[str, str], may_be_missing: bool = False) -> dict[str, object]:
    """Returns what a call of MLflow's REST API answers; an empty mapping for something that does not exist."""
    shown = redact(uri)
    try:
        with closing(
            http_request(
                get_default_host_creds(uri),
                f"/api/2.0/mlflow/{call}",
                "GET",
                max_retries=0,
                timeout=HEALTH_TIMEOUT_S,
                raise_on_status=False,
                params=parameters,
                stream=True,
            )
        ) as response:
            status, text = response.status_code, b"".join(_first_bytes(response)).decode(errors="replace")
    except MlflowException as error:
        raise StepError(f"cannot reach MLflow at '{shown}': got no answer; check the URL and the server") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StepError(
            f"cannot reach MLflow at '{shown}': {root_cause(error)}; check the URL and the server"
        ) from error
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if status in (401, 403):
        raise InputError(
            f"MLflow at '{shown}' refuses the request: got HTTP {status} ({text[:_LONGEST_EXCERPT]}); check "
            "MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if status == 429 or status >= 500:
        raise StepError(
            f"MLflow at '{shown}' reports an error: got HTTP {status} ({text[:_LONGEST_EXCERPT]}); see the server's log"
        )
    if may_be_missing and isinstance(found, dict) and found.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
        return {}
    if status != 200 or not isinstance(found, dict):
        raise _no_mlflow(uri, status)
    return found


def _first_bytes(response: requests.Response) -> Iterator[bytes]:
    left = _LONGEST_ANSWER
    for chunk in response.iter_content(1 << 16):
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


def resolve_uri(tracking_uri: str) -> str:
    """Returns the tracking URI: the one given, else MLFLOW_TRACKING_URI. InputError where neither is set."""
    uri = tracking_uri or environment.get(environment.MLFLOW_TRACKING_URI)
    if not uri:
        raise InputError(
            "cannot open MLflow: got no tracking URI, expected sqlite:///PATH or a server's URL in --tracking-uri or "
            "MLFLOW_TRACKING_URI"
        )
    if "@" in uri and "://" not in uri:  # what comes before the @ may be a password
        raise InputError(
            f"cannot open MLflow: the tracking URI '***@{uri.rpartition('@')[2]}' has no scheme, expected "
            "sqlite:///PATH or a server's URL, such as https://HOST"
        )
    return sqlite_uri(sqlite_path(uri)) if is_sqlite(uri) else uri


def _experiment_id(client: MlflowClient, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name, artifact_location=artifacts)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # else another client has created it in the meantime
                raise
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage != "active":
        raise InputError(_deleted(name, found.experiment_id))
    experiment_id = str(found.experiment_id)
    missing = {key: value for key, value in experiment_tags(experiment_id).items() if key not in found.tags}
    with suppress(MlflowException):  # they decide on MLflow's pages alone
        for key, value in missing.items():
            client.set_experiment_tag(experiment_id, key, value)
    return experiment_id


def _deleted(name: str, experiment_id: object) -> str:
    return f"the experiment '{name}' was deleted: try 'mlflow experiments restore -x {experiment_id}'"
