"""Checks of Kubeflow Pipelines, and of the namespace and the account of its steps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from components.core import environment
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import Forbidden, NotFound
from components.launch.template import CONTAINER
from components.preflight import answers
from components.preflight.finding import Finding, Status
from pipelines.kubeflow.client import Kubeflow, api_errors

TESTED = "2.17"
"""The version of Kubeflow Pipelines that Luthier was tested with."""

# kubernetes_executor_config.proto before 2.15 has no optional Secrets and ConfigMaps in the environment: where they are
# missing, the pods of the steps never start.
_OLDEST = (2, 15)
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_CONFIG_MAP = "luthier-config"
_ONE_USER = "pipeline-runner"
_SEVERAL_USERS = "default-editor"


@dataclass(frozen=True)
class Steps:
    """Where the steps of a run are.

    Attributes:
        namespace: Their namespace.
        account: Their service account.
        settings: ConfigMap luthier-config of that namespace; empty where there is none, or it cannot be read.
    """

    namespace: str
    account: str
    settings: dict[str, str] = field(default_factory=dict)


def steps_of(kubeflow: Kubeflow | None, namespace: str, account: str) -> Steps:
    """Returns where the steps will be.

    Args:
        kubeflow: The connection; None where it is not known.
        namespace: Their namespace where there is no connection.
        account: Their account; "" for that of Kubeflow's installation.
    """
    has_several_users = kubeflow is not None and kubeflow.namespace is not None
    found = kubeflow.namespace if kubeflow and kubeflow.namespace else namespace
    return Steps(found, account or (_SEVERAL_USERS if has_several_users else _ONE_USER))


def check_kubeflow(kubeflow: Kubeflow) -> Iterator[Finding]:
    """Compares the version of Kubeflow Pipelines with what Luthier needs, and lists a run as this user."""
    version, text = kubeflow.version(), f"Kubeflow Pipelines at {kubeflow.endpoint.host}"
    match = _VERSION.match(version)
    with api_errors("list runs"):
        kubeflow.api.runs.run_service_list_runs(page_size=1, namespace=kubeflow.namespace, _request_timeout=20)
    if match is None:
        yield Finding("kubeflow", Status.NOTE, f"{text} does not tell its version; tested is {TESTED}")
    elif (int(match[1]), int(match[2])) < _OLDEST:
        yield Finding("kubeflow", Status.WRONG, f"{text} is {version}", f"expected {_OLDEST[0]}.{_OLDEST[1]} or later")
    elif f"{match[1]}.{match[2]}" != TESTED:
        yield Finding("kubeflow", Status.NOTE, f"{text} is {version}; tested is {TESTED}")
    else:
        yield Finding("kubeflow", Status.OK, f"{text} is {version}")


def check_steps_namespace(api: Api, namespace: str) -> Iterator[Finding]:
    """Looks for the namespace of the steps; yields nothing where it exists, or cannot be read."""
    try:
        api.get_path(f"/api/v1/namespaces/{namespace}")
    except Forbidden:
        return
    except NotFound:
        advice = "install Kubeflow Pipelines (docs/kubeflow.md), or name the namespace of its steps with --namespace"
        yield Finding(
            "settings", Status.WRONG, f"there is no namespace '{namespace}' for the steps of a pipeline", advice
        )


def check_settings(api: Api, steps: Steps) -> Iterator[Finding]:
    """Compares the namespace of the Jobs with what the steps will read; fills in `steps.settings`.

    Args:
        api: For the namespace of the Jobs.
        steps: Where the steps are.
    """
    where, exists = f"ConfigMap '{_CONFIG_MAP}' of namespace '{steps.namespace}'", True
    try:
        found = answers.mapping(api.get_path(f"/api/v1/namespaces/{steps.namespace}/configmaps/{_CONFIG_MAP}"), "data")
    except Forbidden:
        yield Finding("settings", Status.NOTE, f"not checked: you may not read {where}")
        return
    except NotFound:
        found, exists = {}, False
    steps.settings.update({name: value for name, value in found.items() if isinstance(value, str)})
    namespace = steps.settings.get(environment.NAMESPACE) or steps.namespace
    if namespace != api.namespace:
        text = f"the steps will create their Jobs in namespace '{namespace}', not in '{api.namespace}'"
        advice = f"{_setting(steps.namespace, api.namespace, exists)}, or try --jobs-namespace {namespace}"
        yield Finding("settings", Status.WRONG, text, advice)
    else:
        yield Finding(
            "settings", Status.OK, f"the steps in namespace '{steps.namespace}' create their Jobs in '{namespace}'"
        )


def _setting(namespace: str, jobs_namespace: str, exists: bool) -> str:
    """Returns the command that tells the steps of a namespace where their Jobs are to be."""
    if exists:
        data = json.dumps({"data": {environment.NAMESPACE: jobs_namespace}})
        return f"kubectl -n {namespace} patch configmap {_CONFIG_MAP} --type=merge -p '{data}'"
    return (
        f"kubectl -n {namespace} create configmap {_CONFIG_MAP} --from-literal={environment.NAMESPACE}={jobs_namespace}"
    )


def step_pod(image: str, account: str) -> Object:
    """Returns a Job with the image and the account of a step, for the check of the image."""
    containers = [{"name": CONTAINER, "image": image}]
    return {"spec": {"template": {"spec": {"serviceAccountName": account, "containers": containers}}}}
