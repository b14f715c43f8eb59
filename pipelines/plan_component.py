"""Kubeflow component: everything of a run that comes before its trainings. Wires plan, prepare, sort and select."""

from typing import NamedTuple

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def plan(
    source: str,
    workspace: str,
    families: list[str],
    synths: list[str],
    preset: str,
    bindings: list[str],
    tracking_uri: str,
    sort_workers: int,
    if_changed: bool,
    gpus: str,
    queue: str,
    priority_class: str,
) -> NamedTuple(
    "PlanOutputs",
    Output=list[str],  # the name by which KFP's local runner (2.17) finds the items of a loop
    shares=list[str],
    families=list[str],
    synths=list[str],
    sorted_uri=str,
    run_uri=str,
    gate_bindings=list[str],
    source_fingerprints=dict[str, str],
    has_work=bool,
):
    """Checks the parameters, prepares and sorts the data, and returns the trainings that remain to be done."""
    from dataclasses import astuple
    from typing import NamedTuple

    from pipelines.plan_run import Request, plan_run
    from pipelines.retries import with_retries

    request = Request(
        source=source,
        workspace=workspace,
        families=families,
        synths=synths,
        preset=preset,
        bindings=bindings,
        tracking_uri=tracking_uri,
        sort_workers=sort_workers,
        if_changed=if_changed,
        gpus=gpus,
        queue=queue,
        priority_class=priority_class,
    )
    planned = with_retries(lambda: plan_run(request))
    outputs = NamedTuple(
        "PlanOutputs",
        [
            ("Output", list),
            ("shares", list),
            ("families", list),
            ("synths", list),
            ("sorted_uri", str),
            ("run_uri", str),
            ("gate_bindings", list),
            ("source_fingerprints", dict),
            ("has_work", bool),
        ],
    )
    return outputs(*astuple(planned))
