"""API client of Kubeflow Pipelines: kfp's client, with errors in one line."""

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
from components.core.errors import InputError, NoAnswerError, StepError
from components.core.proxies import proxy_of_environment
from components.core.redaction import without_secret
from pipelines.kubeflow.endpoint import Endpoint

_TIMEOUT_S = 60
_PAGE_SIZE = 100


class UnreachableError(StepError):
    """The API did not answer, or asked to try again: the same request may succeed later."""


class NotLoggedInError(InputError):
    """The API does not accept the user's token or cookie, or what stands before it asks for a login."""


class _Client(kfp.Client):  # type: ignore[misc]  # kfp has no type information
    """kfp's client; it asks for the server's health once when it is created, not five times with tracebacks."""

    def get_kfp_healthz(self, sleep_duration: int = 0) -> V2beta1GetHealthzResponse:
        return self._healthz_api.healthz_service_get_healthz(_request_timeout=_TIMEOUT_S)


@dataclass(frozen=True)
class Kubeflow:
    """A connection to the API.

    Attributes:
        api: kfp's client. Use its generated services (`api.runs`, `api.pipelines`): its own methods print, and look
            for names without a namespace.
        endpoint: URL and credentials.
        namespace: The user's namespace; None in single-user mode.
    """

    api: kfp.Client
    endpoint: Endpoint
    namespace: str | None

    def page(self, *parts: str) -> str:
        """Returns the URL of a page of the UI, `page("runs", "details", run_id)`; the id if the UI is unknown.

        The URL has no password.
        """
        if not self.endpoint.ui_host:
            return f"{parts[-1]} (for a link, set {environment.KFP_UI_HOST} to the URL of Kubeflow's UI)"
        return f"{without_secret(self.endpoint.ui_host)}/#/{'/'.join(parts)}"

    def pod_log(self, run_id: str, node: str) -> str:
        """Returns the log of a pod of a run, or "" where it is no longer available.

        The API server has it at one path, the UI's server, if that is the endpoint, at another.

        Args:
            run_id: The run.
            node: The pod's name or the id of its node.
        """
        namespace = {"podnamespace": self.namespace} if self.namespace else {}
        paths: tuple[tuple[str, dict[str, str]], ...] = (
            (f"/apis/v1alpha1/runs/{run_id}/nodes/{node}/log", {}),
            ("/k8s/pod/logs", {"podname": node, "runid": run_id, **namespace}),
        )
        for path, query in paths:
            text = self._get_text(path, query)
            # The API server answers with status 200 and an error in JSON.
            if text and not _is_error(text):
                return text
        return ""

    def workflow_manifest(self, run_id: str) -> str:
        """Returns the Argo workflow of a run, JSON, or "" where the API does not have it.

        Only version v1beta1 of the API has it; it serves runs of both versions.
        """
        try:
            detail = json.loads(self._get_text(f"/apis/v1beta1/runs/{run_id}", {}))
            return str(detail["pipeline_runtime"]["workflow_manifest"])
        except (ValueError, KeyError, TypeError):
            return ""

    def version(self) -> str:
        """Returns the version of Kubeflow Pipelines, "2.17.0"; "" where it does not tell."""
        try:
            found = json.loads(self._get_text("/apis/v2beta1/healthz", {}))
            return str(found["tag_name"])
        except (ValueError, KeyError, TypeError):
            return ""

    def _get_text(self, path: str, query: dict[str, str]) -> str:
        """Returns what the server has at a path that kfp's client does not know, or "" where it has nothing."""
        client: ApiClient = self.api._run_api.api_client
        try:
            answer = client.call_api(
                path,
                "GET",
                query_params=list(query.items()),
                header_params={"Accept": "text/plain, application/json"},
                auth_settings=["Bearer"],
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=_TIMEOUT_S,
            )
        except (ApiException, urllib3.exceptions.HTTPError):
            return ""
        # For an unknown path the UI's server sends its start page.
        if "text/html" in answer.headers.get("Content-Type", ""):
            return ""
        return str(answer.data.decode(errors="replace"))


def _is_error(text: str) -> bool:
    try:
        return "error_message" in json.loads(text)
    except (ValueError, TypeError):
        return False


def connect(endpoint: Endpoint) -> Kubeflow:
    """Connects to Kubeflow Pipelines and checks that it answers.

    Raises:
        NoAnswerError: It does not answer.
        InputError: It refuses the user; or it is in multi-user mode and no namespace was given.
    """
    credentials = None
    if endpoint.token_file is not None:
        credentials = kfp.client.ServiceAccountTokenVolumeCredentials(str(endpoint.token_file))
    try:
        with api_errors(f"open Kubeflow Pipelines at '{endpoint.host}'"), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # kfp warns at every start that it is no longer kfp 1
            api = _Client(
                host=endpoint.host,
                namespace=endpoint.namespace or "kubeflow",
                existing_token=environment.get(environment.KFP_TOKEN) or None,
                cookies=environment.get(environment.KFP_COOKIE) or None,
                credentials=credentials,
                ssl_ca_cert=str(endpoint.ca_file) if endpoint.ca_file else None,
                ui_host=endpoint.ui_host or None,
                proxy=None if environment.in_cluster() else proxy_of_environment(endpoint.host),
            )
            _refuse_pages(api._run_api.api_client, endpoint.host)
            health = api.get_kfp_healthz()
    except UnreachableError as error:
        raise NoAnswerError(f"{error}; check the URL and that it runs") from error
    if not health.multi_user:
        return Kubeflow(api, endpoint, None)
    if not endpoint.namespace:
        raise InputError(
            f"Kubeflow Pipelines at '{endpoint.host}' has several users: got no namespace; try --namespace"
        )
    return Kubeflow(api, endpoint, endpoint.namespace)


def _refuse_pages(client: ApiClient, host: str) -> None:
    """Makes an answer that is no JSON an error: kfp reads the page of a login as an object without values."""
    deserialize = client.deserialize

    def checked(response: Any, response_type: Any) -> Any:
        try:
            json.loads(response.data or "{}")
        except ValueError as error:
            raise NotLoggedInError(
                f"'{host}' answers with a page in place of JSON: expected the API of Kubeflow Pipelines; log in again "
                f"if your session has expired ({environment.KFP_TOKEN}, {environment.KFP_COOKIE}), or check the URL"
            ) from error
        return deserialize(response, response_type)

    client.deserialize = checked


@contextmanager
def api_errors(what: str) -> Iterator[None]:
    """Turns kfp's errors inside the block into errors of one line, "cannot <what>: ...".

    Raises:
        InputError: The API refused the request; NotLoggedInError where it did not accept the user.
        UnreachableError: It did not answer, or reported an internal error.
    """
    try:
        yield
    except ApiException as error:
        text = f"cannot {what}: got '{_reason(error)}' ({error.status or 'no status'})"
        if error.status in (401, 403):
            raise NotLoggedInError(f"{text}; check your token and your namespace") from error
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
        body = None
    if not isinstance(body, dict):  # of a gateway before the API
        return _one_line(error.reason or "")
    return _one_line(str(body.get("message") or body.get("error_message") or body.get("error") or error.reason))


def _one_line(text: str) -> str:
    # urllib3 begins with the connection's representation.
    return " ".join(re.sub(r"^<[^>]*>: |^\w+\(.*?\): ", "", text).split())


def all_pages(call: Callable[..., Any], field: str, **arguments: Any) -> Iterator[Any]:
    """Yields the items of all pages of a list call.

    Args:
        call: A generated method such as `api.runs.run_service_list_runs`.
        field: The field of its answer with the items: "runs".
        **arguments: Further arguments; None is left out.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    token = ""
    while True:
        page = call(page_token=token, page_size=_PAGE_SIZE, _request_timeout=_TIMEOUT_S, **given)
        yield from getattr(page, field) or []
        token = page.next_page_token
        if not token:
            return


def name_filter(name: str) -> str:
    """Returns the filter of a list call for exactly this display name."""
    # 1 is EQUALS in filter.proto.
    return json.dumps({"predicates": [{"operation": 1, "key": "display_name", "stringValue": name}]})
