"""Checks before anything is trained, for the step `plan` and for `luthier doctor`: what is missing, and what to do."""

from __future__ import annotations

from components.core import environment
from components.plan.preflight.finding import Check, raise_failures, run_checks


def check_run(workspace_uri: str, tracking_uri: str) -> None:
    """Checks what a run needs beyond its parameters, before anything is sorted or trained.

    Args:
        workspace_uri: Where an object is written and deleted.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.

    Raises:
        InputError: Something has to be changed first. Names everything that was found.
        StepError: A server does not answer.
    """
    from components.plan.preflight.places import STORAGE_LIMIT_S, check_workspace
    from components.plan.preflight.tracking import check_registry

    in_cluster = environment.in_cluster()
    checks = [
        Check("workspace", lambda: check_workspace(workspace_uri, in_cluster), STORAGE_LIMIT_S),
        Check("registry", lambda: check_registry(tracking_uri, in_cluster)),
    ]
    raise_failures(run_checks(checks))
