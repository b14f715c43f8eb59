"""What the step `plan` checks before anything is sorted or trained: workspace, registry and cluster."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.core import environment
from components.kubernetes.client import Api, Object
from components.kubernetes.connection import connect
from components.launch.request import Placement
from components.preflight.finding import Check, Status, raise_failures, run_checks
from components.preflight.permissions import check_own
from components.preflight.places import STORAGE_LIMIT_S, check_workspace
from components.preflight.tracking import check_registry
from components.preflight.training import POLICY, TRAINING_LIMIT_S, check_training, sample_job
from components.telemetry import log

_LOG = log.get(__name__)


@dataclass(frozen=True)
class SampleTraining:
    """One training of a run, whose Job the cluster is asked about.

    Attributes:
        family, synth, preset, bindings: Of the training.
        placement: On what its Job runs.
    """

    family: str
    synth: str
    preset: str
    bindings: tuple[str, ...] = ()
    placement: Placement = field(default_factory=Placement)

    def job(self, api: Api, workspace_uri: str) -> Object:
        """Returns its Job; see `sample_job`."""
        settings = (self.family, self.synth, self.preset, self.bindings)
        return sample_job(api, workspace_uri, *settings, self.placement)


def check_run(workspace_uri: str, tracking_uri: str, training: SampleTraining | None) -> None:
    """Checks what a run needs beyond its parameters. In a cluster, a pod that ends at once tries the image of the Jobs.

    Args:
        workspace_uri: Where an object is written and deleted.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.
        training: One of the run's; None where nothing is to be trained, and the cluster needs not be asked.

    Raises:
        InputError: Something has to be changed first. Names everything that was found.
        StepError: A server does not answer.
    """
    in_cluster = environment.in_cluster()
    checks = [
        Check("workspace", lambda: check_workspace(workspace_uri, in_cluster), STORAGE_LIMIT_S),
        Check("registry", lambda: check_registry(tracking_uri, in_cluster)),
    ]
    if in_cluster and training is not None:
        api = connect(policy=POLICY)
        checks.append(Check("permissions", lambda: check_own(api)))
        checks.append(
            Check("job", lambda: check_training(api, lambda: training.job(api, workspace_uri)), TRAINING_LIMIT_S)
        )
    found = run_checks(checks)
    raise_failures(found)
    for finding in found:
        if finding.status is Status.NOTE:
            _LOG.warning("%s: %s%s", finding.check, finding.text, f"; {finding.advice}" if finding.advice else "")
