"""The checks of a cluster that need the Job of a training: its image, its quota, its nodes, what it names."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence

from components import storage
from components.core.backoff import RetryPolicy
from components.kubernetes.client import Api, Object
from components.launch.request import Placement, TrainingRequest
from components.launch.step import manifest_at
from components.preflight.capacity import check_nodes, check_quotas
from components.preflight.cluster import check_job
from components.preflight.finding import Check, Finding, run_checks
from components.preflight.image import check_image

POLICY = RetryPolicy(limit_s=15.0, longest_pause_s=3.0)
"""For requests of checks: a server that is down must be told soon."""

IMAGE_LIMIT_S, TRAINING_LIMIT_S = 60.0, 90.0
"""How long the check of one image, and all checks of a training, may take."""


def sample_job(
    api: Api, workspace_uri: str, family: str, synth: str, preset: str, bindings: Sequence[str], placement: Placement
) -> Object:
    """Returns the Job of one training of a run, of a name that no Job has.

    Raises:
        InputError: There is no template, or a value is wrong.
        StepError: The server does not answer.
    """
    run_id = f"check-{secrets.token_hex(4)}"
    out_uri = storage.join(workspace_uri, "runs", run_id, f"{family}-{synth}")
    data_uri = storage.join(workspace_uri, "sorted", run_id)
    request = TrainingRequest(run_id, family, synth, data_uri, "0", out_uri, preset, tuple(bindings))
    return manifest_at(api, request, placement)


def check_training(
    api: Api, job_of: Callable[[], Object], trainings: int = 0, starts_pods: bool = True
) -> Iterator[Finding]:
    """Checks whether the cluster would run the trainings.

    Args:
        api: For the namespace of the Jobs.
        job_of: Returns the Job of one of them.
        trainings: How many there are, for quotas and nodes; 0 to leave these out.
        starts_pods: Whether a short-lived pod may show that the image can be pulled.

    Raises:
        InputError: There is no template of the Job, or a value is wrong.
    """
    job = job_of()
    checks = [Check("job", lambda: check_job(api, job))]
    if starts_pods:
        checks.append(Check("image", lambda: check_image(api, job), IMAGE_LIMIT_S))
    if trainings:
        checks.append(Check("quota", lambda: check_quotas(api, job, trainings)))
        checks.append(Check("nodes", lambda: check_nodes(api, job, trainings)))
    yield from run_checks(checks)
