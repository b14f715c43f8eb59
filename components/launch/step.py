"""Launches one training as a Kubernetes Job, follows it, and returns what it left; safe to repeat at any moment.

The Job's name follows from run, family and synth, so a launcher that was killed and is started again finds its Job. The
Job holds nothing that matters: checkpoints and result are in the training's directory, and a Job that failed, was
deleted or expired is simply created anew and goes on there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components import storage
from components.core.errors import EXIT_AGAIN, InputError, StepError
from components.core.versions import TRAINING_VERSION
from components.kubernetes.client import Api, Object
from components.kubernetes.connection import connect, in_a_cluster, named_namespace
from components.kubernetes.errors import ApiError
from components.launch import job_state
from components.launch import record as records
from components.launch.follow import HopelessError, JobGoneError, follow
from components.launch.job import fill_in
from components.launch.reconcile import create_or_adopt
from components.launch.template import CONFIG_MAP, merged, read_files
from components.launch.terminate import OnTerminate, TerminatedError, caught, let_go
from components.launch.training import Placement, Training
from components.telemetry import log

_LOG = log.get(__name__)
_CONFIG_MAP_PREFIX = "configmap/"


@dataclass(frozen=True)
class Launched:
    """A training that was launched.

    Attributes:
        job_name: The name of its Job.
        namespace: Where that is or was.
        record: Its run.json; None where it was not followed to its end.
        reused: It had been finished before, and no Job was needed.
    """

    job_name: str
    namespace: str
    record: dict[str, Any] | None
    reused: bool


@dataclass(frozen=True)
class Cluster:
    """Where to launch.

    Attributes:
        context: Of the kubeconfig; None for its current one, or the cluster that this pod is in.
        namespace: See connection.connect.
        template: A file, a folder, or "configmap/NAME".
    """

    context: str | None = None
    namespace: str | None = None
    template: str = _CONFIG_MAP_PREFIX + CONFIG_MAP


def launch(
    training: Training,
    placement: Placement | None = None,
    cluster: Cluster | None = None,
    on_terminate: OnTerminate = "suspend",
    follows: bool = True,
) -> Launched:
    """Creates or adopts the Job of a training and follows it to its end.

    Args:
        training: What to train.
        placement: How to run it, over what the template says.
        cluster: Where.
        on_terminate: What becomes of the Job when this process gets SIGTERM or SIGINT; see termination.
        follows: Whether to wait for the end.

    Raises:
        InputError: The user's input is at fault: found here, by the cluster or by the trainer.
        StepError: The training failed, its Job was deleted, or the API server was away for too long.
        SystemExit: This process was asked to end; the code is errors.EXIT_AGAIN.
    """
    placement, cluster = placement or Placement(), cluster or Cluster()
    api = connect(cluster.context, cluster.namespace)
    wanted = fill_in(_template(cluster.template, api), training, placement, api.namespace)
    code = TRAINING_VERSION
    earlier = records.finished(training, code)
    if earlier:
        _LOG.info("%s is trained already: %s", training.name, training.out_uri)
        return Launched(training.job_name, api.namespace, earlier, reused=True)
    with caught():
        try:
            job, is_new = create_or_adopt(api, wanted, lambda: records.finished(training, code) is not None)
            _warn_of_local(training)
            if not follows:
                return Launched(training.job_name, api.namespace, None, reused=False)
            return Launched(training.job_name, api.namespace, _followed(api, job, is_new, training), reused=False)
        except TerminatedError:
            if follows:
                let_go(api, wanted, on_terminate)
            raise SystemExit(EXIT_AGAIN) from None


def manifest(training: Training, placement: Placement, cluster: Cluster) -> Object:
    """Returns the Job as `launch` would create it; asks the cluster for nothing but a template that is kept there."""
    if cluster.template.startswith(_CONFIG_MAP_PREFIX):
        api = connect(cluster.context, cluster.namespace)
        return fill_in(_template(cluster.template, api), training, placement, api.namespace)
    return fill_in(_template(cluster.template), training, placement, named_namespace(cluster.namespace))


def _followed(api: Api, job: Object, is_new: bool, training: Training) -> dict[str, Any]:
    """Follows a Job and returns the run.json of what it trained."""
    name, namespace = training.job_name, api.namespace
    try:
        ended = follow(api, job, is_new)
    except JobGoneError:
        return records.after(training, f"Job {name} was deleted by somebody before the training was finished")
    except HopelessError as error:
        api.delete("jobs", name, job["metadata"]["uid"])  # it may hold a GPU, and there is nothing to lose with it
        raise InputError(f"Job {name} cannot run, and was deleted: {error}") from error
    except StepError as error:
        raise StepError(
            f"{error}; Job {name} in namespace {namespace} trains on, the same command follows it"
        ) from error
    if job_state.condition(ended.job, "Complete"):
        return records.after(training, f"Job {name} is done, but '{training.out_uri}' has no finished training")
    raise job_state.failure_of(ended.job, ended.pods, ended.last_line)


def _template(place: str, api: Api | None = None) -> Object:
    if not place.startswith(_CONFIG_MAP_PREFIX) or api is None:
        return merged(read_files(place), f"'{place}'")
    name = place.removeprefix(_CONFIG_MAP_PREFIX)
    try:
        found = api.get("configmaps", name)
    except ApiError as error:
        raise InputError(
            f"namespace '{api.namespace}' has no ConfigMap '{name}' with the Job's template: apply manifests/base "
            "there, or try another --namespace or --template"
        ) from error
    return merged(found.get("data") or {}, f"ConfigMap '{name}' in namespace '{api.namespace}'")


def _warn_of_local(training: Training) -> None:
    local = [uri for uri in (training.data_uri, training.out_uri) if not storage.is_remote(uri)]
    if local and not in_a_cluster():
        _LOG.warning("%s: the Job sees that only where a volume is mounted there", " and ".join(local))
