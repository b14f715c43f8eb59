"""Records versions in a Kubeflow Model Registry as well, if LUTHIER_MODEL_REGISTRY holds its URL.

MLflow is the registry that Luthier reads. This one gets a copy, so that KServe and Kubeflow's UI find the models. The
module uses its REST API: the `model-registry` client of PyPI knows only the paths of one server version, and needs a
python-dateutil older than the one in Luthier's locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from components import storage
from components.artifacts.training_dir import TrainingDir
from components.core import environment
from components.registry.trained_model import TrainedModel
from components.telemetry import log

# Servers of 2026 have the first, older ones the second; requests and answers are the same.
_PATHS = ("/api/model_registry/v1", "/api/model_registry/v1alpha3")
_FORMAT_NAME, _FORMAT_VERSION = "luthier", "1"
_FINGERPRINT = "model_fingerprint"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_TIMEOUT_S = 20
RETRIES = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=None)
_LOG = log.get(__name__)


class _RefusedError(Exception):
    """The registry has refused a request; the message says why."""


# What an unreachable server, a missing token file or a malformed answer can raise.
_FAILURES = (_RefusedError, requests.RequestException, OSError, LookupError, ValueError, TypeError)


def record(
    name: str, trainings: Sequence[TrainedModel], versions: Mapping[str, int], lineage: Mapping[str, str]
) -> dict[str, str]:
    """Records the versions of a family; does nothing where no URL is set.

    A version that is recorded already is left as it is; one whose recording was interrupted is completed. Failures are
    logged, not raised: the registration goes on.

    Args:
        name: The registered model, "ddsp-string".
        trainings: The trained models.
        versions: The version in MLflow of each synth, which becomes the version's name here.
        lineage: Further properties; "pipeline_run" and "pipeline_run_id" name the run in Kubeflow Pipelines.

    Returns:
        The failure of each synth that could not be recorded.
    """
    url = environment.get(environment.MODEL_REGISTRY).rstrip("/")
    if not url:
        return {}
    with requests.Session() as session:
        try:
            server = _Server(session, url)
        except _FAILURES as error:
            return _log_failures(url, {each.synth: error for each in trainings})
        errors: dict[str, Exception] = {}
        for each in trainings:
            try:
                server.record(name, str(versions[each.synth]), each, lineage)
                _LOG.info("%s version %d is in the Model Registry", name, versions[each.synth])
            except _FAILURES as error:
                errors[each.synth] = error
        return _log_failures(url, errors)


def _log_failures(url: str, errors: Mapping[str, Exception]) -> dict[str, str]:
    failures = {synth: " ".join(str(error).split()) for synth, error in errors.items()}
    for text in dict.fromkeys(failures.values()):
        synths = ", ".join(synth for synth, failure in failures.items() if failure == text)
        _LOG.warning("cannot record %s in the Model Registry at '%s': %s", synths, url, text)
    return failures


class _Server:
    """A server, and the path of its API."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self._session = session
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
        token_file = environment.get(environment.MODEL_REGISTRY_TOKEN_FILE)
        if token_file:
            session.headers["Authorization"] = f"Bearer {Path(token_file).read_text().strip()}"
        for path in _PATHS:
            self._base = url + path
            if self._get("registered_models", pageSize="1") is not None:
                return
        raise _RefusedError(f"got 404 for each of {' and '.join(_PATHS)}; check the URL")

    def record(self, name: str, version: str, training: TrainedModel, lineage: Mapping[str, str]) -> None:
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
            raise _RefusedError(f"version {version} of {name} is another model in it, with fingerprint {known}")
        artifacts = f"model_versions/{found['id']}/artifacts"
        if not (self._get(artifacts, name=name) or {}).get("items"):
            self._post(artifacts, _artifact(name, training, lineage))

    def _ensure(self, collection: str, body: dict[str, Any], find: tuple[str, dict[str, str]]) -> dict[str, Any]:
        path, query = find
        # If another client creates it in the meantime, the POST fails and the second GET finds it.
        found = self._get(path, **query) or self._post(collection, body) or self._get(path, **query)
        if found is None:
            raise _RefusedError(f"{collection}: '{body['name']}' exists, but was not found")
        return found

    def _get(self, path: str, **query: str) -> dict[str, Any] | None:
        """Returns the answer; None for 404."""
        answer = self._session.get(f"{self._base}/{path}", params=query, timeout=_TIMEOUT_S)
        return None if answer.status_code == 404 else _content(answer)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Returns what was created; None where it exists already."""
        answer = self._session.post(f"{self._base}/{path}", json=body, timeout=_TIMEOUT_S)
        return None if answer.status_code == 409 else _content(answer)


def _content(answer: requests.Response) -> dict[str, Any]:
    if not answer.ok:
        raise _RefusedError(f"{answer.request.method} {answer.url} got {answer.status_code}: {answer.text[:300]}")
    content = answer.json()
    if not isinstance(content, dict):
        raise _RefusedError(f"{answer.request.method} {answer.url} got no JSON object")
    return content


def _properties(training: TrainedModel, lineage: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Returns the tags and the numbers of a trained model as custom properties."""
    texts = {**training.tags(), **lineage}
    return {
        **{key: {"metadataType": "MetadataStringValue", "string_value": str(text)} for key, text in texts.items()},
        **{
            key: {"metadataType": "MetadataDoubleValue", "double_value": number}
            for key, number in training.numbers().items()
        },
    }


def _artifact(name: str, training: TrainedModel, lineage: Mapping[str, str]) -> dict[str, Any]:
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


def _uri(training: TrainedModel) -> str:
    # The model in the training directory needs access to the bucket only; MLflow's copy may need its server.
    uri = TrainingDir(training.uri).model_uri
    return uri if storage.is_remote(uri) else Path(uri).absolute().as_uri()


def _namespace() -> str:
    given = environment.get(environment.NAMESPACE)
    if given or not _POD_NAMESPACE.exists():
        return given or "default"
    return _POD_NAMESPACE.read_text().strip()
