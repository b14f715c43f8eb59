"""Checks a server that only pods can reach, such as http://mlflow.luthier:5000: its Service, and the pods behind it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from components.kubernetes.client import Api
from components.kubernetes.errors import Forbidden, NotFound
from components.preflight import answers
from components.preflight.finding import Finding, Status


def service_of(url: str, namespace: str) -> tuple[str, str] | None:
    """Returns the name and the namespace of the Service that a URL names; None where it can be no Service.

    Args:
        url: "http://mlflow:5000", "http://mlflow.luthier.svc:5000".
        namespace: Of the pods that use it, where the URL names none.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return None
    name, *rest = host.split(".")
    if not name or host == "localhost" or host.replace(".", "").isdecimal() or ":" in host:
        return None
    if not rest:
        return name, namespace
    return (name, rest[0]) if len(rest) == 1 or rest[1] == "svc" else None


def check_service(api: Api, check: str, url: str, name: str, namespace: str) -> Iterator[Finding]:
    """Looks for the Service and for pods that are ready behind it.

    Raises:
        NotFound: There is no such Service.
    """
    api.get_path(f"/api/v1/namespaces/{quote(namespace)}/services/{quote(name)}")
    selector = f"labelSelector={quote(f'kubernetes.io/service-name={name}')}"
    try:
        slices = api.get_path(f"/apis/discovery.k8s.io/v1/namespaces/{quote(namespace)}/endpointslices?{selector}")
    except (Forbidden, NotFound):
        yield Finding(check, Status.NOTE, f"{url} is Service '{name}'; whether it has pods may not be read")
        return
    endpoints = [each for item in answers.objects(slices, "items") for each in answers.objects(item, "endpoints")]
    ready = sum(answers.at(each, "conditions", "ready") is not False for each in endpoints)
    if ready:
        text = f"{url}: Service '{name}' in namespace '{namespace}', pods that are ready: {ready}"
        yield Finding(check, Status.OK, text)
    else:
        text = f"{url}: Service '{name}' in namespace '{namespace}' has no pod that is ready"
        yield Finding(check, Status.WRONG, text, f"kubectl -n {namespace} get pods; kubectl -n {namespace} get events")
