"""The Pod Security Standard `restricted` of Kubernetes 1.36, as far as our pod templates could break it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_HANDLERS = ("startupProbe", "readinessProbe", "livenessProbe")


def violations(pod: dict[str, Any]) -> list[str]:
    """Returns what the admission of the namespace would object to in a pod's spec."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        found += [f"volume {volume['name']}: {kind}" for kind in kinds - _VOLUMES]
    security = pod.get("securityContext", {})
    found += [f"pod {name}" for name in ("sysctls", "seLinuxOptions", "windowsOptions") if security.get(name)]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        found += [f"{container['name']}: {problem}" for problem in _of_container(container, security)]
    return found


def _of_container(container: dict[str, Any], pod_security: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = {**pod_security, **own}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if both.get("runAsNonRoot") is not True or both.get("runAsUser", 1) == 0:
        yield "runs as root"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    for handler in _HANDLERS:
        for action in ("httpGet", "tcpSocket"):
            if container.get(handler, {}).get(action, {}).get("host"):
                yield f"{handler} of another host"
