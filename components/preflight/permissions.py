"""Checks what the account that launches trainings may do, by access reviews: nothing is created."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.core.errors import StepError
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ApiError, Forbidden
from components.launch.template import CONFIG_MAP
from components.preflight import answers
from components.preflight.finding import Finding, Status

_REVIEWS = "/apis/authorization.k8s.io/v1"
_WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True)
class Permission:
    """Verbs on one resource.

    Attributes:
        group: API group; "" for the core group.
        resource: With a subresource: "pods/log".
        verbs: The verbs.
        name: The only object that is needed; "" for all.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    name: str = ""


LAUNCHER = (
    Permission("batch", "jobs", ("get", "list", "watch", "create", "patch", "delete")),
    Permission("", "pods", ("get", "list", "watch")),
    Permission("", "pods/log", ("get",)),
    Permission("", "events", ("list",)),
    Permission("", "configmaps", ("get",), CONFIG_MAP),
)
"""What a launcher needs in the namespace of the Jobs: Role luthier-launcher of manifests/base."""


def check_own(api: Api) -> Iterator[Finding]:
    """Checks the account of this process."""
    try:
        missing = _missing(api, "selfsubjectaccessreviews", "SelfSubjectAccessReview", {})
    except Forbidden:
        yield Finding("permissions", Status.NOTE, "not checked: the cluster does not tell you what you may do")
        return
    account = _own_service_account(api) if missing else ""
    if account:  # of a pod: not the account of whoever reads this
        yield _finding(api, "permissions", f"the service account {account}", missing, _binding(api, account))
    else:
        yield _finding(
            api, "permissions", "you", missing, "bind Role luthier-launcher of manifests/base to your account"
        )


def check_account(api: Api, namespace: str, account: str) -> Iterator[Finding]:
    """Checks the service account of the pipeline's pods.

    Args:
        api: For the namespace of the Jobs.
        namespace: Namespace of the account.
        account: Its name.
    """
    who = f"the service account {namespace}:{account}"
    user = {
        "user": f"system:serviceaccount:{namespace}:{account}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
    }
    try:
        missing = _missing(api, "subjectaccessreviews", "SubjectAccessReview", user)
    except Forbidden:
        yield Finding("pipeline", Status.NOTE, f"not checked: you may not ask what {who} may do")
        return
    yield _finding(api, "pipeline", who, missing, _binding(api, f"{namespace}:{account}"))


def _binding(api: Api, account: str) -> str:
    """Returns the command that gives a service account, "<namespace>:<name>", what it needs."""
    return (
        f"kubectl -n {api.namespace} create rolebinding luthier-pipelines --role=luthier-launcher "
        f"--serviceaccount={account}"
    )


def _own_service_account(api: Api) -> str:
    """Returns the service account of this process, "<namespace>:<name>"; "" for a person or where it is unknown."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        user = answers.text(api.create_path(_WHO_AM_I, body), "status", "userInfo", "username")
    except (ApiError, StepError):
        return ""
    return user.removeprefix(_SERVICE_ACCOUNT) if user.startswith(_SERVICE_ACCOUNT) else ""


def _finding(api: Api, check: str, who: str, missing: list[str], advice: str) -> Finding:
    where = f"in namespace '{api.namespace}'"
    if missing:
        return Finding(check, Status.WRONG, f"{who} may not {', '.join(missing)} {where}", advice)
    return Finding(check, Status.OK, f"{who} may launch trainings {where}")


def _missing(api: Api, collection: str, kind: str, user: Object) -> list[str]:
    """Returns what is not allowed: "create jobs", ...

    Raises:
        Forbidden: The reviews themselves are not allowed.
        ApiError, StepError: See Api.get.
    """
    missing = []
    for permission in LAUNCHER:
        resource, _, subresource = permission.resource.partition("/")
        for verb in permission.verbs:
            attributes = {
                "namespace": api.namespace,
                "verb": verb,
                "group": permission.group,
                "resource": resource,
                "subresource": subresource,
                "name": permission.name,
            }
            body = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": kind,
                "spec": {"resourceAttributes": attributes, **user},
            }
            review = api.create_path(f"{_REVIEWS}/{collection}", body)
            allowed = answers.at(review, "status", "allowed")
            if not isinstance(allowed, bool):
                raise ApiError(200, f"the review of '{verb} {permission.resource}' has no answer")
            if not allowed:
                missing.append(f"{verb} {permission.resource}")
    return missing
