"""Launches one training as a Kubernetes Job, follows it, and returns its result; may be repeated at any time.

The Job's name follows from run, family and synth, so a launcher that is started again finds its Job. The Job has no
state of its own: checkpoints and result are in the training directory. A Job that failed, was deleted or expired is
created again, and the training continues.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from components.artifacts.run_record import RunRecord
from components.core.errors import InputError, StepError
from components.core.versions import TRAINING_VERSION
from components.kubernetes.client import Api, Object
from components.kubernetes.connection import connect, named_namespace
from components.kubernetes.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NamespaceNotFound,
    NotFound,
    NotPermitted,
    Unauthorized,
)
from components.launch import admission, follow, followed_at, job_state, result
from components.launch.follow import CannotRunError, JobDeletedError, Timing, follow_job
from components.launch.job import fill_in
from components.launch.job_state import Phase, StuckError
from components.launch.local_paths import check_local_paths
from components.launch.reconcile import create_or_adopt, delete_leftover
from components.launch.request import Placement, TrainingRequest
from components.launch.template import CONFIG_MAP, merged, read_files
from components.launch.terminate import OnTerminate, run_until_terminated, terminate
from components.telemetry import log

_LOG = log.get(__name__)
_CONFIG_MAP_PREFIX = "configmap/"


@dataclass(frozen=True)
class Launched:
    """A training that was launched.

    Attributes:
        job_name: Name of its Job.
        namespace: Namespace of the Job.
        record: Its run record; None where it was not followed to its end.
        reused: The training had been finished before, so no Job was created.
    """

    job_name: str
    namespace: str
    record: RunRecord | None
    reused: bool


@dataclass(frozen=True)
class ClusterOptions:
    """The cluster, and what is in it.

    Attributes:
        context: Name of a context of the kubeconfig; see connection.connect.
        namespace: See connection.connect.
        template: The Job's template: a file, a folder, or "configmap/NAME".
    """

    context: str | None = None
    namespace: str | None = None
    template: str = _CONFIG_MAP_PREFIX + CONFIG_MAP


def launch(
    request: TrainingRequest,
    placement: Placement | None = None,
    cluster: ClusterOptions | None = None,
    on_terminate: OnTerminate = "suspend",
    follows: bool = True,
    timing: Timing | None = None,
    kubeflow_run: str = "",
) -> Launched:
    """Creates or adopts the Job of a training and follows it to its end.

    Args:
        request: What to train.
        placement: On what; replaces values of the template.
        cluster: Where.
        on_terminate: What to do with the Job when this process gets SIGTERM or SIGINT; see terminate.
        follows: Whether to wait for the end.
        timing: Intervals and time limits; follow.DEFAULT_TIMING if None.
        kubeflow_run: Id of the run of Kubeflow Pipelines that this is a step of; "" if there is none.

    Raises:
        InputError: The launcher, the cluster or the trainer found an error in the user's input.
        StepError: The training failed, its Job was deleted or is stuck, or the API server did not answer for too long.
        SystemExit: This process was asked to end; the code is errors.EXIT_AGAIN.
    """
    placement, cluster = placement or Placement(), cluster or ClusterOptions()
    timing = timing or follow.DEFAULT_TIMING
    api = connect(cluster.context, cluster.namespace)
    with errors_explained(api):
        wanted = fill_in(_template(cluster.template, api), request, placement, api.namespace)
        check_local_paths(request, wanted)
        earlier = result.finished(request, TRAINING_VERSION)
        if earlier:
            _LOG.info("%s is trained already: %s", request.name, request.out_uri)
            delete_leftover(api, request.job_name, request.out_uri)
            return Launched(request.job_name, api.namespace, earlier, reused=True)
        needs_launcher = follows and on_terminate != "leave"
        seen: deque[Object] = deque(maxlen=1)  # the Job as it was last seen

        def work() -> Launched:
            job, is_new = _created_or_adopted(api, wanted, request, timing, needs_launcher, kubeflow_run)
            seen.append(job)
            is_renewed = followed_at.renewed(api, job, timing.renew_s, kubeflow_run)
            with is_renewed if needs_launcher else nullcontext():
                record = _followed(api, job, is_new, request, timing, seen.append) if follows else None
            return Launched(request.job_name, api.namespace, record, reused=False)

        def on_terminated() -> None:
            if follows:
                terminate(api, wanted, on_terminate, seen[0] if seen else None)

        return run_until_terminated(work, on_terminated)


def manifest(request: TrainingRequest, placement: Placement, cluster: ClusterOptions) -> Object:
    """Returns the Job as `launch` would create it. Its only request to the cluster is for a template in a ConfigMap."""
    if not cluster.template.startswith(_CONFIG_MAP_PREFIX):
        template = _template_of_files(cluster.template)
        job = fill_in(template, request, placement, named_namespace(cluster.namespace))
        check_local_paths(request, job)
        return job
    return manifest_at(connect(cluster.context, cluster.namespace), request, placement, cluster.template)


def manifest_at(
    api: Api, request: TrainingRequest, placement: Placement, template: str = _CONFIG_MAP_PREFIX + CONFIG_MAP
) -> Object:
    """Returns the Job as `launch` would create it with this API; see `manifest`."""
    with errors_explained(api):
        job = fill_in(_template(template, api), request, placement, api.namespace)
    check_local_paths(request, job)
    return job


def check_on_server(job: Object, cluster: ClusterOptions) -> str:
    """Has the API server check a Job as if it were created, and returns in one line what `launch` would do.

    Raises:
        InputError: The server would refuse it, or there is no such queue or priority class.
        StepError: The server does not answer.
    """
    api, name = connect(cluster.context, cluster.namespace), job["metadata"]["name"]
    with errors_explained(api):
        admission.check(api, job)
        try:
            api.create("jobs", job, dry_run=True)
        except Conflict:
            return f"Job {name} exists in namespace '{api.namespace}': launch would follow, resume or replace it"
    return f"{api.server} would accept Job {name} in namespace '{api.namespace}'"


def _created_or_adopted(
    api: Api, wanted: Object, request: TrainingRequest, timing: Timing, needs_launcher: bool, kubeflow_run: str
) -> tuple[Object, bool]:
    """See create_or_adopt. Notes in the Job whether it needs a launcher."""
    admission.check(api, wanted)
    if needs_launcher:
        followed_at.set_in(api, wanted, kubeflow_run)
    job, is_new = create_or_adopt(
        api, wanted, lambda: result.finished(request, TRAINING_VERSION) is not None, timing.terminating_s
    )
    if not needs_launcher:
        followed_at.clear(api, job)
    return job, is_new


def _followed(
    api: Api,
    job: Object,
    is_new: bool,
    request: TrainingRequest,
    timing: Timing,
    on_change: Callable[[Object], object],
) -> RunRecord:
    """Follows a Job and returns the run record of its training; see follow_job for `on_change`."""
    name, namespace = request.job_name, api.namespace
    try:
        finished = follow_job(api, job, is_new, timing, on_change)
    except JobDeletedError:
        return result.after_job(request, f"Job {name} was deleted before its training was finished")
    except CannotRunError as error:
        raise InputError(f"Job {name} cannot run, and {_given_up(api, job)}: {error}") from error
    except StuckError as error:
        record = result.finished(request, TRAINING_VERSION)
        if record is None:
            raise
        _LOG.warning("%s is trained, but %s", request.name, error)
        return record
    except StepError as error:
        raise StepError(
            f"{error}; Job {name} in namespace {namespace} continues, and the same command follows it"
        ) from error
    if job_state.finished_phase(finished.job) is Phase.COMPLETE:
        return result.after_job(request, f"Job {name} is complete, but '{request.out_uri}' has no finished training")
    raise job_state.failure_of(finished.job, finished.pods, finished.last_line)


def _given_up(api: Api, job: Object) -> str:
    """Deletes a Job that cannot run: it may hold a GPU, and has nothing to lose. Returns what came of it, in words."""
    try:
        api.delete("jobs", job["metadata"]["name"], job["metadata"]["uid"])
    except (ApiError, InputError, StepError) as error:  # which must not hide why the Job cannot run
        return f"could not be deleted ({error})"
    return "was deleted"


@contextmanager
def errors_explained(api: Api) -> Iterator[None]:
    """Raises an InputError with what to do for answers of the API server that only the user can change."""
    try:
        yield
    except NotPermitted as error:
        raise InputError(
            f"'{error.user}' may not {error.verb} {error.resource} in namespace '{api.namespace}': expected a Role "
            f"there with verb {error.verb} on {error.resource}, bound to it, as Role luthier-launcher of manifests/base"
        ) from error
    except Unauthorized as error:
        found = "does not accept the credentials" if error.status == 401 else "got no credentials"
        raise InputError(f"{api.server} {found} (HTTP {error.status}): log in again") from error
    except NamespaceNotFound as error:
        raise InputError(
            f"there is no namespace '{api.namespace}': name another one, or create it with "
            "`kubectl apply -k manifests/base`"
        ) from error
    except (BadRequest, Forbidden, Invalid) as error:
        raise InputError(
            f"{api.server} refuses the request: {error.message}; check the Job's template and the quotas of "
            f"namespace '{api.namespace}'"
        ) from error
    except ApiError as error:
        raise StepError(f"{api.server}: {error}") from error


def _template(template: str, api: Api) -> Object:
    if not template.startswith(_CONFIG_MAP_PREFIX):
        return _template_of_files(template)
    name = template.removeprefix(_CONFIG_MAP_PREFIX)
    try:
        found = api.get("configmaps", name)
    except NotFound as error:
        raise InputError(
            f"namespace '{api.namespace}' has no ConfigMap '{name}' with the Job's template: apply manifests/base "
            "there, or name another namespace or template"
        ) from error
    return merged(found.get("data") or {}, f"ConfigMap '{name}' in namespace '{api.namespace}'")


def _template_of_files(path: str) -> Object:
    return merged(read_files(path), f"'{path}'")
