"""Kubeflow components: the plan of a run, and the selection of what it trains."""

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
    if_changed: bool,
) -> NamedTuple(
    "PlanOutputs",
    families=list[str],
    synths=list[str],
    records_uri=str,
    sorted_uri=str,
    run_uri=str,
    bindings=list[str],
    gate_bindings=list[str],
    source_fingerprints=dict[str, str],
    evaluation_version=int,
):
    """Checks the parameters, the workspace and the registry, and decides the URIs of the run."""
    from dataclasses import astuple
    from typing import NamedTuple

    from components.plan import preflight, run_plan
    from components.telemetry.task import task

    with task("plan") as running:
        result = run_plan.plan(source, workspace, families, synths, preset, bindings, if_changed)
        preflight.check_run(workspace, tracking_uri)
        what = f"{', '.join(result.families) or 'every family'} x {', '.join(result.synths)}"
        running.found(what, run_uri=result.run_uri)
    outputs = NamedTuple(
        "PlanOutputs",
        [
            ("families", list),
            ("synths", list),
            ("records_uri", str),
            ("sorted_uri", str),
            ("run_uri", str),
            ("bindings", list),
            ("gate_bindings", list),
            ("source_fingerprints", dict),
            ("evaluation_version", int),
        ],
    )
    return outputs(*astuple(result))


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def select(
    sorted_uri: str,
    families: list[str],
    synths: list[str],
    preset: str,
    bindings: list[str],
    tracking_uri: str,
    if_changed: bool,
) -> NamedTuple("SelectOutputs", families=list[str], warm_starts=dict[str, str], others_uri=str):
    """Leaves out the families whose data, settings and training version are registered, if only changes are wanted."""
    from dataclasses import astuple
    from typing import NamedTuple

    from components.plan.selection import Selection, select
    from components.telemetry.task import task

    with task("select") as running:
        selection = Selection(families)
        if if_changed:
            selection = select(sorted_uri, families, synths, preset, bindings, tracking_uri)
        running.found(", ".join(selection.families) or "nothing new to train", families=selection.families)
    outputs = NamedTuple("SelectOutputs", [("families", list), ("warm_starts", dict), ("others_uri", str)])
    return outputs(*astuple(selection))
