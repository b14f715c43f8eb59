"""Finds the cluster: the one that this pod runs in, or that of a context of the kubeconfig."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.core import environment
from components.core.backoff import RetryPolicy
from components.core.errors import InputError
from components.core.proxies import checked_proxy, proxy_of_environment
from components.kubernetes.client import Api
from components.kubernetes.sender import Client

POD_NAMESPACE_PATH = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""The file with the namespace of a pod."""


def connect(context: str | None = None, namespace: str | None = None, policy: RetryPolicy | None = None) -> Api:
    """Returns the API of a cluster for one of its namespaces. It sends no request.

    Args:
        context: Name of a context of the kubeconfig; None for the cluster that this pod runs in, else the current
            context.
        namespace: None for that of LUTHIER_NAMESPACE, else the pod's own, else the context's.
        policy: How often and how long to try again; backoff.DEFAULT if None.

    Raises:
        InputError: There is no cluster, no such context, or no credentials.
    """
    client = _client(context)
    found = named_namespace(namespace) or (None if _is_inside(context) else _namespace_of(context))
    return Api(client, found or "default", policy, renew=lambda: _client(context))


def _is_inside(context: str | None) -> bool:
    return context is None and environment.in_cluster()


def _client(context: str | None) -> Client:
    """Returns a client with the credentials as they are now; a plugin of the kubeconfig is asked for them again.

    Raises:
        InputError: See `connect`.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    configuration.retries = False  # Api decides which requests may be repeated, and logs why it waits
    inside = _is_inside(context)
    try:
        if inside:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(_kubeconfig(), context=context, client_configuration=configuration)
    except (config.ConfigException, OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        credentials = "this pod's service account" if inside else f"the kubeconfig '{_kubeconfig()}'"
        hint = "automountServiceAccountToken: true" if inside else "KUBECONFIG and --context"
        raise InputError(f"cannot connect to a cluster with {credentials}: {reason}; check {hint}") from error
    if not inside:
        configuration.proxy = _proxy(configuration.host, _cluster_of(context))
    found: Client = client.ApiClient(configuration)
    return found


def _proxy(host: str, cluster: Mapping[str, Any]) -> str | None:
    """Returns the proxy to an API server, as kubectl chooses it: that of the kubeconfig, else of the environment.

    The official client (30.1) knows neither.

    Raises:
        InputError: It is no HTTP proxy.
    """
    if url := cluster.get("proxy-url"):
        return checked_proxy(url, f"proxy-url of the kubeconfig '{_kubeconfig()}'")
    return proxy_of_environment(host)


def named_namespace(namespace: str | None) -> str | None:
    """Returns `namespace`, else LUTHIER_NAMESPACE, else this pod's own namespace; None outside of a cluster."""
    if given := namespace or environment.get(environment.NAMESPACE):
        return given
    if environment.in_cluster() and POD_NAMESPACE_PATH.is_file():
        return POD_NAMESPACE_PATH.read_text().strip()
    return None


def _kubeconfig() -> str:
    return environment.get(environment.KUBECONFIG) or str(Path.home() / ".kube" / "config")


def _namespace_of(context: str | None) -> str | None:
    name: str | None = _context(context).get("namespace")
    return name


def _context(name: str | None) -> dict[str, Any]:
    """Returns a context of the kubeconfig; the current one if None."""
    from kubernetes import config

    contexts, current = config.list_kube_config_contexts(_kubeconfig())
    found: dict[str, Any] = next((entry for entry in contexts if entry["name"] == name), current)["context"]
    return found


def _cluster_of(context: str | None) -> dict[str, Any]:
    """Returns the cluster of a context of the kubeconfig."""
    from kubernetes.config.kube_config import KubeConfigMerger

    clusters = KubeConfigMerger(_kubeconfig()).config["clusters"]
    found: dict[str, Any] = clusters.get_with_name(_context(context)["cluster"])["cluster"].value
    return found
