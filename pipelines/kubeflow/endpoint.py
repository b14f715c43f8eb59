"""The endpoint of Kubeflow Pipelines: its URL and credentials, and the options of `submit` and `schedule` for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from components.core import environment
from components.core.errors import InputError

_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_PROJECTED_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Endpoint:
    """URL and credentials of Kubeflow Pipelines.

    Attributes:
        host: URL of the API; the UI's URL works as well.
        ui_host: URL of the UI in the user's browser; "" if unknown.
        namespace: The user's namespace in multi-user mode, else "".
        token_file: File with a bearer token; read again for every call, so that it may be renewed.
        ca_file: CA certificates for the host; None for the system's.
    """

    host: str
    ui_host: str
    namespace: str
    token_file: Path | None
    ca_file: Path | None


_OPTIONS = (
    click.option(
        "--host", envvar=environment.KFP_HOST, default="", show_envvar=True, help="URL of Kubeflow Pipelines."
    ),
    click.option(
        "--ui-host",
        envvar=environment.KFP_UI_HOST,
        default="",
        show_envvar=True,
        help="URL of its UI, for printed links. [default: the host, unless it is inside the cluster]",
    ),
    click.option(
        "--namespace",
        envvar=environment.KFP_NAMESPACE,
        default="",
        show_envvar=True,
        help="Your namespace, in multi-user mode. [default: the pod's]",
    ),
    click.option(
        "--token-file",
        envvar=environment.KFP_TOKEN_FILE,
        type=click.Path(path_type=Path),
        show_envvar=True,
        help="File with a bearer token (OIDC, or projected into a pod). KFP_TOKEN and KFP_COOKIE work as well.",
    ),
    click.option(
        "--ca-file",
        envvar=environment.KFP_CA_FILE,
        type=click.Path(path_type=Path),
        show_envvar=True,
        help="CA certificates for the host. [default: the system's]",
    ),
)


def optional_endpoint_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the same options to a click command, which gets a function as `endpoint`: it raises what is wrong."""

    @wraps(command)
    def with_endpoint(
        host: str, ui_host: str, namespace: str, token_file: Path | None, ca_file: Path | None, **others: Any
    ) -> None:
        command(endpoint=lambda: _endpoint(host, ui_host, namespace, token_file, ca_file), **others)

    return _with_options(with_endpoint)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        option(command)
    return command


def endpoint_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of an endpoint to a click command, which gets them as one argument, `endpoint`."""

    @wraps(command)
    def with_endpoint(
        host: str, ui_host: str, namespace: str, token_file: Path | None, ca_file: Path | None, **others: Any
    ) -> None:
        command(endpoint=_endpoint(host, ui_host, namespace, token_file, ca_file), **others)

    return _with_options(with_endpoint)


def _endpoint(host: str, ui_host: str, namespace: str, token_file: Path | None, ca_file: Path | None) -> Endpoint:
    in_cluster = environment.in_cluster()
    host = host or (_IN_CLUSTER if in_cluster else "")
    if not host.startswith(("http://", "https://")):
        raise InputError(
            f"cannot connect to Kubeflow Pipelines: got host '{host}', expected --host or KFP_HOST with a URL; "
            "try 'kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80' and --host http://localhost:8080"
        )
    if token_file is None and _PROJECTED_TOKEN.exists():
        token_file = _PROJECTED_TOKEN
    for file in (token_file, ca_file):
        if file is not None and not file.is_file():
            raise InputError(f"cannot open Kubeflow Pipelines: no file at '{file}', expected a token or certificates")
    if not namespace and in_cluster and _POD_NAMESPACE.exists():
        namespace = _POD_NAMESPACE.read_text().strip()
    ui_host = ui_host or ("" if _is_inside_cluster(host) else host)
    return Endpoint(host.rstrip("/"), ui_host.rstrip("/"), namespace, token_file, ca_file)


def _is_inside_cluster(host: str) -> bool:
    """Tells whether a URL is a Service's, which no browser of a user can open."""
    name = urlsplit(host).hostname or ""
    return name.endswith((".svc", ".svc.cluster.local")) or (
        "." not in name and name != "localhost" and ":" not in name
    )
