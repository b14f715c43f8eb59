"""Finds the cluster: the one that this pod is in, or the one of a kubeconfig's context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.core import environment
from components.core.errors import InputError
from components.kubernetes.client import Api

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def connect(context: str | None = None, namespace: str | None = None) -> Api:
    """Returns the API of the cluster, for one of its namespaces; nothing is sent yet.

    Args:
        context: Of the kubeconfig; its current one, or the cluster that this pod is in, if None.
        namespace: If None, that of LUTHIER_NAMESPACE, else the pod's own, else the context's.

    Raises:
        InputError: There is no cluster, no such context, or no credentials.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    configuration.retries = False  # ours know what may be sent twice, and say what they wait for
    inside = context is None and in_a_cluster()
    try:
        if inside:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(_kubeconfig(), context=context, client_configuration=configuration)
        found = named_namespace(namespace) or (None if inside else _namespace_of(context))
    except (config.ConfigException, OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        place = "this pod's service account" if inside else f"the kubeconfig '{_kubeconfig()}'"
        hint = "automountServiceAccountToken: true" if inside else "KUBECONFIG and --context"
        raise InputError(f"cannot connect to a cluster with {place}: {reason}; look at {hint}") from error
    return Api(client.ApiClient(configuration), found or "default")


def in_a_cluster() -> bool:
    """Tells whether this process runs in a pod."""
    return environment.in_cluster()


def named_namespace(namespace: str | None) -> str | None:
    """Returns the namespace that is given, else LUTHIER_NAMESPACE, else this pod's own; None where there is none."""
    if given := namespace or environment.get(environment.NAMESPACE):
        return given
    if in_a_cluster() and _POD_NAMESPACE.is_file():
        return _POD_NAMESPACE.read_text().strip()
    return None


def _kubeconfig() -> str:
    return environment.get(environment.KUBECONFIG) or str(Path.home() / ".kube" / "config")


def _namespace_of(context: str | None) -> str | None:
    from kubernetes import config

    contexts, current = config.list_kube_config_contexts(_kubeconfig())
    chosen: dict[str, Any] = next((entry for entry in contexts if entry["name"] == context), current)
    name: str | None = chosen["context"].get("namespace")
    return name
