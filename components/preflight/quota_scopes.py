"""Which pods a ResourceQuota counts: those that match all its scopes.

https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-scopes and pkg/quota/v1/evaluator/core/pods.go.
"""

from __future__ import annotations

from typing import Any

from components.kubernetes.client import Object
from components.preflight import answers

_Selector = tuple[str, str, tuple[Any, ...]]  # name of the scope, operator, values


def has_scopes(quota: Object) -> bool:
    """Tells whether a quota counts only some pods."""
    return bool(_selectors(quota))


def counts_pod(quota: Object, pod: Object) -> bool:
    """Tells whether a quota counts a pod, by its spec."""
    return all(_matches(selector, pod) for selector in _selectors(quota))


def _selectors(quota: Object) -> list[_Selector]:
    names = answers.at(quota, "spec", "scopes")
    found: list[_Selector] = [(str(name), "Exists", ()) for name in (names if isinstance(names, list) else [])]
    for each in answers.objects(quota, "spec", "scopeSelector", "matchExpressions"):
        values = answers.at(each, "values")
        listed = tuple(values) if isinstance(values, list) else ()
        found.append((answers.text(each, "scopeName"), answers.text(each, "operator"), listed))
    return found


def _matches(selector: _Selector, pod: Object) -> bool:
    name, operator, values = selector
    has_deadline = isinstance(answers.at(pod, "activeDeadlineSeconds"), int)  # of the pod, not of its Job
    if name in ("Terminating", "NotTerminating"):
        return has_deadline == (name == "Terminating")
    if name in ("BestEffort", "NotBestEffort"):
        return _is_best_effort(pod) == (name == "BestEffort")
    if name == "PriorityClass":
        return _matches_class(answers.text(pod, "priorityClassName"), operator, values)
    return False  # CrossNamespacePodAffinity: a training has no affinity to pods of other namespaces


def _matches_class(found: str, operator: str, values: tuple[Any, ...]) -> bool:
    if operator == "In":
        return found in values and bool(found)
    if operator == "NotIn":
        return found not in values or not found
    return bool(found) == (operator != "DoesNotExist")


def _is_best_effort(pod: Object) -> bool:
    """Tells whether no container requests or limits CPU or memory."""
    kinds = [
        answers.mapping(container, "resources", kind)
        for container in answers.objects(pod, "containers")
        for kind in ("requests", "limits")
    ]
    return not any({"cpu", "memory"} & kind.keys() for kind in kinds)
