"""Records versions in a Kubeflow Model Registry (Hub) as well, where LUTHIER_MODEL_REGISTRY says its address.

MLflow is the registry that counts; this one is told, so that KServe and Kubeflow's UI find the models. It is spoken to
by its REST API: the `model-registry` client of PyPI knows only the paths of one server generation, and asks for a
python-dateutil older than the one Luthier's locks have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from components import storage
from components.core import environment
from components.registry.training import Training
from components.telemetry import log

# Servers of 2026 speak the first, older ones the second; what Luthier says is the same.
_PATHS = ("/api/model_registry/v1", "/api/model_registry/v1alpha3")
_FORMAT_NAME, _FORMAT_VERSION = "luthier", "1"
_FINGERPRINT = "model_fingerprint"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_TIMEOUT_S = 20
_RETRIES = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=None)
_LOG = log.get(__name__)


class _RefusedError(Exception):
    """The registry does not take what it is told; says why."""


# What a server, a file or an answer that is none can do.
_FAILURES = (_RefusedError, requests.RequestException, OSError, LookupError, ValueError, TypeError)


def record(
    name: str, trainings: Sequence[Training], versions: Mapping[str, int], lineage: Mapping[str, str]
) -> dict[str, str]:
    """Records the versions of a family; does nothing where no address is set.

    A version that is there is left as it is, and one whose recording broke is completed. Nothing that goes wrong here
    is raised: it is logged, and registering goes on.

    Args:
        name: The registered model, "ddsp-string".
        trainings: What the versions were made from.
        versions: The version in MLflow of each synth, which is its name in the Hub.
        lineage: What else is known: "pipeline_run" and "pipeline_run_id" name the run in Kubeflow Pipelines.

    Returns:
        What was wrong, for each synth that could not be recorded.
    """
    address = environment.get(environment.MODEL_REGISTRY).rstrip("/")
    if not address:
        return {}
    with requests.Session() as session:
        try:
            hub = _Hub(session, address)
        except _FAILURES as error:
            return _reported(address, {each.synth: error for each in trainings})
        errors: dict[str, Exception] = {}
        for each in trainings:
            try:
                hub.record(name, str(versions[each.synth]), each, lineage)
                _LOG.info("%s version %d is in the Model Registry", name, versions[each.synth])
            except _FAILURES as error:
                errors[each.synth] = error
        return _reported(address, errors)


def _reported(address: str, errors: Mapping[str, Exception]) -> dict[str, str]:
    failures = {synth: " ".join(str(error).split()) for synth, error in errors.items()}
    for text in dict.fromkeys(failures.values()):
        synths = ", ".join(synth for synth, failure in failures.items() if failure == text)
        _LOG.warning("cannot record %s in the Model Registry at '%s': %s", synths, address, text)
    return failures


class _Hub:
    """A server, and which of the paths it answers on."""

    def __init__(self, session: requests.Session, address: str) -> None:
        self._session = session
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_RETRIES))
        token_file = environment.get(environment.MODEL_REGISTRY_TOKEN_FILE)
        if token_file:
            session.headers["Authorization"] = f"Bearer {Path(token_file).read_text().strip()}"
        for path in _PATHS:
            self._base = address + path
            if self._get("registered_models", pageSize="1") is not None:
                return
        raise _RefusedError(f"got 404 for each of {' and '.join(_PATHS)}; is that its URL?")

    def record(self, name: str, version: str, training: Training, lineage: Mapping[str, str]) -> None:
        model = self._ensure(
            "registered_models",
            {"name": name, "description": f"DDSP instrument: {training.family}"},
            find=("registered_model", {"name": name}),
        )
        found = self._ensure(
            "model_versions",
            {
                "name": version,
                "registeredModelId": model["id"],
                "author": "luthier",
                "customProperties": _properties(training, lineage),
            },
            find=("model_version", {"name": version, "parentResourceId": model["id"]}),
        )
        known = found.get("customProperties", {}).get(_FINGERPRINT, {}).get("string_value")
        if known != training.fingerprint:
            raise _RefusedError(f"version {version} of {name} is another model there, with fingerprint {known}")
        artifacts = f"model_versions/{found['id']}/artifacts"
        if not (self._get(artifacts, name=name) or {}).get("items"):
            self._post(artifacts, _artifact(name, training, lineage))

    def _ensure(self, collection: str, body: dict[str, Any], find: tuple[str, dict[str, str]]) -> dict[str, Any]:
        path, query = find
        # Made by another meanwhile, it cannot be made again, but found.
        found = self._get(path, **query) or self._post(collection, body) or self._get(path, **query)
        if found is None:
            raise _RefusedError(f"{collection}: '{body['name']}' is there, but is not found")
        return found

    def _get(self, path: str, **query: str) -> dict[str, Any] | None:
        """Returns the answer; None for what is not there."""
        answer = self._session.get(f"{self._base}/{path}", params=query, timeout=_TIMEOUT_S)
        return None if answer.status_code == 404 else _content(answer)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Returns what was made; None where it is there already."""
        answer = self._session.post(f"{self._base}/{path}", json=body, timeout=_TIMEOUT_S)
        return None if answer.status_code == 409 else _content(answer)


def _content(answer: requests.Response) -> dict[str, Any]:
    if not answer.ok:
        raise _RefusedError(f"{answer.request.method} {answer.url} got {answer.status_code}: {answer.text[:300]}")
    content = answer.json()
    if not isinstance(content, dict):
        raise _RefusedError(f"{answer.request.method} {answer.url} got no object")
    return content


def _properties(training: Training, lineage: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Returns where the model comes from, and its numbers."""
    texts = {**training.tags(), **lineage}
    numbers = {"valid_loss": training.valid_loss, **training.evaluation()}
    return {
        **{key: {"metadataType": "MetadataStringValue", "string_value": str(text)} for key, text in texts.items()},
        **{
            key: {"metadataType": "MetadataDoubleValue", "double_value": number}
            for key, number in numbers.items()
            if number is not None
        },
    }


def _artifact(name: str, training: Training, lineage: Mapping[str, str]) -> dict[str, Any]:
    artifact = {
        "artifactType": "model-artifact",
        "name": name,
        "uri": _uri(training),
        "modelFormatName": _FORMAT_NAME,
        "modelFormatVersion": _FORMAT_VERSION,
    }
    run = lineage.get("pipeline_run", "")
    if run:
        artifact |= {
            "modelSourceKind": "kfp",
            "modelSourceClass": "pipelinerun",
            "modelSourceGroup": _namespace(),
            "modelSourceId": lineage.get("pipeline_run_id") or run,
            "modelSourceName": run,
        }
    return artifact


def _uri(training: Training) -> str:
    # The model's own folder, which anybody with the bucket can read; MLflow's may be behind its server.
    uri = storage.join(training.uri, "model")
    return uri if storage.is_remote(uri) else Path(uri).absolute().as_uri()


def _namespace() -> str:
    given = environment.get(environment.NAMESPACE)
    if given or not _POD_NAMESPACE.exists():
        return given or "default"
    return _POD_NAMESPACE.read_text().strip()
