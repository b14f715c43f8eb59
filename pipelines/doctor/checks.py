"""All checks of `luthier doctor`: which there are, what each needs, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from components.core import environment
from components.core.errors import InputError
from components.kubernetes.client import Api
from components.kubernetes.connection import connect
from components.kubernetes.errors import Forbidden, NotFound
from components.launch.step import errors_explained
from components.preflight.capacity import gpu_models, gpus_of
from components.preflight.cluster import check_namespace, check_version
from components.preflight.finding import Check, Finding, Status, run_checks
from components.preflight.hours import check_hours
from components.preflight.image import check_image
from components.preflight.permissions import check_account, check_own
from components.preflight.places import STORAGE_LIMIT_S, check_source, check_workspace
from components.preflight.service import check_service, service_of
from components.preflight.tracking import check_registry
from components.preflight.training import (
    IMAGE_LIMIT_S,
    POLICY,
    TRAINING_LIMIT_S,
    check_training,
    sample_job,
)
from pipelines.doctor.kubeflow import Steps, check_kubeflow, check_settings, check_steps_namespace, step_pod, steps_of
from pipelines.doctor.wanted import Wanted
from pipelines.kubeflow import client
from pipelines.kubeflow.checks import check_run
from pipelines.kubeflow.endpoint import Endpoint

_CLUSTER_LIMIT_S = 150.0


@dataclass(frozen=True)
class Options:
    """Where to look.

    Attributes:
        endpoint: Returns the endpoint of Kubeflow Pipelines; None to leave it out.
        context: Context of the kubeconfig.
        namespace: Namespace of the Jobs; None for the default of `luthier launch`.
        steps_namespace: Namespace of the pipeline's steps in a Kubeflow Pipelines with one user.
        account: Service account of the pipeline's steps; "" for Kubeflow's own.
        creates_nothing: Whether checks that create something, and delete it again, are left out.
    """

    endpoint: Callable[[], Endpoint] | None
    context: str | None
    namespace: str | None
    steps_namespace: str
    account: str
    creates_nothing: bool


def examine(wanted: Wanted, options: Options) -> list[Finding]:
    """Checks everything that a run needs, and returns each finding once."""
    checks = [
        Check("parameters", lambda: _check_parameters(wanted)),
        Check("source", lambda: check_source(wanted.source), STORAGE_LIMIT_S),
        Check("workspace", lambda: _check_workspace(wanted, options), STORAGE_LIMIT_S),
        Check("cluster", lambda: _check_cluster(wanted, options), _CLUSTER_LIMIT_S),
    ]
    return list(dict.fromkeys(run_checks(checks)))


def _check_parameters(wanted: Wanted) -> Iterator[Finding]:
    check_run(wanted.arguments, {})
    families = ", ".join(wanted.families) or "every family of the source"
    yield Finding("parameters", Status.OK, f"{families} x {', '.join(wanted.synths)}, preset {wanted.preset}")


def _check_workspace(wanted: Wanted, options: Options) -> Iterator[Finding]:
    if options.creates_nothing and wanted.workspace:
        yield Finding("workspace", Status.NOTE, f"not checked: {wanted.workspace} is tested by writing an object")
    else:
        yield from check_workspace(wanted.workspace, in_cluster=True)


def _check_cluster(wanted: Wanted, options: Options) -> Iterator[Finding]:
    """Checks the cluster, then Kubeflow and what depends on both."""
    api = connect(options.context, options.namespace, POLICY)
    with errors_explained(api):
        first = run_checks([Check("kubernetes", lambda: check_version(api))])
    yield from first
    if any(finding.failed for finding in first):
        return
    kubeflow, told = _kubeflow(options)
    yield from told
    steps = steps_of(kubeflow, options.steps_namespace, options.account)
    with errors_explained(api):
        missing = list(check_steps_namespace(api, steps.namespace))
        yield from missing or check_settings(api, steps)
    checks = _checks(api, steps, wanted, options)
    if not missing:
        checks += _checks_of_steps(api, steps, options)
    yield from run_checks(checks)


def _kubeflow(options: Options) -> tuple[client.Kubeflow | None, list[Finding]]:
    if options.endpoint is None:
        text = "not checked: no --host"
        advice = "kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80, and --host http://localhost:8080"
        return None, [Finding("kubeflow", Status.NOTE, text, advice)]
    opened: list[client.Kubeflow] = []

    def check() -> Iterator[Finding]:
        assert options.endpoint is not None
        opened.append(client.connect(options.endpoint()))
        yield from check_kubeflow(opened[0])

    found = run_checks([Check("kubeflow", check)])
    return (opened[0] if opened else None), found


def _checks(api: Api, steps: Steps, wanted: Wanted, options: Options) -> list[Check]:
    def job() -> dict[str, object]:
        arguments = (wanted.any_family, wanted.synths[0], wanted.preset, wanted.bindings, wanted.placement)
        return sample_job(api, wanted.workspace or "gs://bucket/luthier", *arguments)

    def training() -> Iterator[Finding]:
        trainings = wanted.number_of_families() * len(wanted.synths)
        return check_training(api, job, trainings, starts_pods=not options.creates_nothing)

    def hours() -> Iterator[Finding]:
        arguments = (wanted.preset, wanted.bindings, wanted.synths, wanted.number_of_families(), gpus_of(job()))
        return check_hours(*arguments, devices=gpu_models(api))

    return [
        Check("namespace", lambda: _explained(api, check_namespace)),
        Check("permissions", lambda: _explained(api, check_own)),
        Check("job", training, TRAINING_LIMIT_S),
        Check("registry", lambda: _check_registry(api, steps, wanted)),
        Check("gpu-hours", hours),
    ]


def _checks_of_steps(api: Api, steps: Steps, options: Options) -> list[Check]:
    """Returns the checks of the account of the steps, and of their images, which are in the compiled package."""
    checks = [Check("pipeline", lambda: _explained(api, lambda to: check_account(to, steps.namespace, steps.account)))]
    if options.creates_nothing:
        return checks
    there = api.in_namespace(steps.namespace)
    images = dict.fromkeys([environment.data_image(), environment.train_image()])
    return checks + [
        Check("image", partial(check_image, there, step_pod(image, steps.account)), IMAGE_LIMIT_S) for image in images
    ]


def _explained(api: Api, check: Callable[[Api], Iterator[Finding]]) -> Iterator[Finding]:
    with errors_explained(api):
        yield from check(api)


def _check_registry(api: Api, steps: Steps, wanted: Wanted) -> Iterator[Finding]:
    """Checks MLflow as the steps will find it: a Service of the cluster by its pods, anything else from here."""
    uri = wanted.tracking_uri or steps.settings.get(environment.MLFLOW_TRACKING_URI, "")
    if not uri:
        raise InputError(
            "no MLflow: expected -p tracking_uri=http://..., or MLFLOW_TRACKING_URI in ConfigMap 'luthier-config' of "
            f"namespace '{steps.namespace}'"
        )
    service = service_of(uri, steps.namespace) if uri.startswith("http") else None
    if service is None:
        yield from check_registry(uri, in_cluster=True)
        return
    try:
        yield from check_service(api, "registry", uri, *service)
    except Forbidden:
        yield Finding(
            "registry", Status.NOTE, f"not checked: you may not read the Services of namespace '{service[1]}'"
        )
    except NotFound:
        if service[1] == steps.namespace:
            raise InputError(
                f"{uri}: there is no Service '{service[0]}' in namespace '{service[1]}'; correct the tracking URI, or "
                "install MLflow there"
            ) from None
        yield from check_registry(uri, in_cluster=True)  # a name outside of the cluster
