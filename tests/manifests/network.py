"""What NetworkPolicies let through, as the API describes them: policies add up, and both ends have to allow."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Pod:
    """An end of a connection within the cluster."""

    labels: dict[str, str]
    namespace: str = "luthier"
    namespace_labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outside:
    """An end of a connection that is no pod: an address."""

    address: str


End = Pod | Outside


def allowed(policies: list[dict[str, Any]], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Tells whether a connection comes through the policies of the namespace `luthier`."""
    return _passes(policies, "Egress", source, target, port, protocol) and _passes(
        policies, "Ingress", target, source, port, protocol
    )


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Tells whether a label selector selects something with these labels."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "add the operator here before using it"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def _passes(policies: list[dict[str, Any]], direction: str, here: End, there: End, port: int, protocol: str) -> bool:
    if isinstance(here, Outside) or here.namespace != "luthier":
        return True
    mine = [
        policy["spec"]
        for policy in policies
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], here.labels)
    ]
    rules = [rule for spec in mine for rule in spec.get(direction.lower(), [])]
    peers = "to" if direction == "Egress" else "from"
    return not mine or any(
        _is_port(rule.get("ports"), port, protocol) and (peers not in rule or any(_is(p, there) for p in rule[peers]))
        for rule in rules
    )


def _is_port(ports: list[dict[str, Any]] | None, port: int, protocol: str) -> bool:
    return ports is None or any(
        entry["port"] <= port <= entry.get("endPort", entry["port"]) and entry["protocol"] == protocol
        for entry in ports
    )


def _is(peer: dict[str, Any], end: End) -> bool:
    if isinstance(end, Outside):
        block = peer.get("ipBlock", {"cidr": "0.0.0.0/32"})
        address = ipaddress.ip_address(end.address)
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(cidr) for cidr in block.get("except", [])
        )
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        labels = {"kubernetes.io/metadata.name": end.namespace, **end.namespace_labels}
        if not selects(peer["namespaceSelector"], labels):
            return False
    elif end.namespace != "luthier":
        return False
    return selects(peer.get("podSelector", {}), end.labels)
