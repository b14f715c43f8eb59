"""An open Kubeflow Pipelines: kfp's client, its answers in one line when they are refusals."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import kfp
import kfp.client
import urllib3
from kfp_server_api import ApiClient, ApiException, V2beta1GetHealthzResponse

from components.core import environment
from components.core.errors import InputError, StepError
from pipelines.kubeflow.options import Address

_TIMEOUT_S = 60
_PAGE_SIZE = 100


class UnreachableError(StepError):
    """No answer, or one that says to come again: what was asked may work a little later."""


class _Client(kfp.Client):  # type: ignore[misc]  # kfp has no type information
    """kfp's client, which asks for the server's health when it is made: once, not five times with tracebacks."""

    def get_kfp_healthz(self, sleep_duration: int = 0) -> V2beta1GetHealthzResponse:
        return self._healthz_api.healthz_service_get_healthz(_request_timeout=_TIMEOUT_S)


@dataclass(frozen=True)
class Kubeflow:
    """An open API.

    Attributes:
        api: kfp's client. Its generated services (`api.runs`, `api.pipelines`) are called, since its own methods print
            and look for names without a namespace.
        address: Where it is.
        namespace: The user's namespace; None where there is only one user.
    """

    api: kfp.Client
    address: Address
    namespace: str | None

    def url(self, *parts: str) -> str:
        """Returns a page of the UI: `url("runs", "details", run_id)`."""
        return f"{self.address.ui_host}/#/{'/'.join(parts)}"

    def pod_log(self, run_id: str, pod: str) -> str:
        """Returns what a pod of a run wrote, or "" where nobody has it any more.

        The API serves it to those who talk to it directly, and the UI's server in another place.
        """
        namespace = {"podnamespace": self.namespace} if self.namespace else {}
        places: tuple[tuple[str, dict[str, str]], ...] = (
            (f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log", {}),
            ("/k8s/pod/logs", {"podname": pod, "runid": run_id, **namespace}),
        )
        client: ApiClient = self.api._run_api.api_client
        for path, query in places:
            try:
                answer = client.call_api(
                    path,
                    "GET",
                    query_params=list(query.items()),
                    header_params={"Accept": "text/plain"},
                    auth_settings=["Bearer"],
                    _return_http_data_only=True,
                    _preload_content=False,
                    _request_timeout=_TIMEOUT_S,
                )
            except (ApiException, urllib3.exceptions.HTTPError):
                continue
            # For a path that it does not know, the UI's server sends its start page.
            if "text/html" not in answer.headers.get("Content-Type", ""):
                return str(answer.data.decode(errors="replace"))
        return ""


def connect(address: Address) -> Kubeflow:
    """Opens Kubeflow Pipelines, and looks whether it is there.

    Raises:
        InputError: Nobody answers, or not to this user; or it has several users and no namespace was named.
    """
    credentials = None
    if address.token_file is not None:
        credentials = kfp.client.ServiceAccountTokenVolumeCredentials(str(address.token_file))
    try:
        with answered(f"open Kubeflow Pipelines at '{address.host}'"), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # kfp says at every start that it is no longer kfp 1
            api = _Client(
                host=address.host,
                namespace=address.namespace or "kubeflow",
                existing_token=environment.get(environment.KFP_TOKEN) or None,
                cookies=environment.get(environment.KFP_COOKIE) or None,
                credentials=credentials,
                ssl_ca_cert=str(address.ca_file) if address.ca_file else None,
                ui_host=address.ui_host,
            )
            health = api.get_kfp_healthz()
    except UnreachableError as error:
        raise InputError(f"{error}; is that its URL, and does it run?") from error
    if not health.multi_user:
        return Kubeflow(api, address, None)
    if not address.namespace:
        raise InputError(f"Kubeflow Pipelines at '{address.host}' has several users: got no namespace; try --namespace")
    return Kubeflow(api, address, address.namespace)


@contextmanager
def answered(what: str) -> Iterator[None]:
    """Turns what kfp raises inside the block into one line, "cannot <what>: ...".

    Raises:
        InputError: The API refused.
        UnreachableError: It did not answer, or is not well.
    """
    try:
        yield
    except ApiException as error:
        text = f"cannot {what}: got '{_reason(error)}' ({error.status or 'no status'})"
        if error.status in (401, 403):
            raise InputError(f"{text}; are your token and your namespace right?") from error
        if error.status is not None and 400 <= error.status < 500 and error.status not in (408, 429):
            raise InputError(text) from error
        raise UnreachableError(text) from error
    except urllib3.exceptions.HTTPError as error:
        reason = getattr(error, "reason", None) or error
        raise UnreachableError(f"cannot {what}: got no answer ({_one_line(str(reason))})") from error


def _reason(error: ApiException) -> str:
    try:
        body = json.loads(error.body or "")
    except ValueError:
        return _one_line(error.reason or "")
    return _one_line(str(body.get("message") or body.get("error_message") or body.get("error") or error.reason))


def _one_line(text: str) -> str:
    # urllib3 begins with the connection's representation.
    return " ".join(re.sub(r"^<[^>]*>: |^\w+\(.*?\): ", "", text).split())


def every(call: Callable[..., Any], field: str, **arguments: Any) -> Iterator[Any]:
    """Yields the items of all pages of a listing.

    Args:
        call: A generated method such as `api.runs.run_service_list_runs`.
        field: Where its answer has the items: "runs".
        **arguments: What else to pass; None is left out.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    token = ""
    while True:
        page = call(page_token=token, page_size=_PAGE_SIZE, _request_timeout=_TIMEOUT_S, **given)
        yield from getattr(page, field) or []
        token = page.next_page_token
        if not token:
            return


def named(name: str) -> str:
    """Returns the filter of a listing for what has exactly this display name."""
    # 1 is EQUALS in filter.proto.
    return json.dumps({"predicates": [{"operation": 1, "key": "display_name", "stringValue": name}]})
