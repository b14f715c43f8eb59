"""Kubeflow components of the sort: plan, and sort itself."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.DATA, install_kfp_package=False)
def plan(
    source: str, workspace: str, families: list[str], synths: list[str], preset: str, bindings: list[str]
) -> NamedTuple(
    "PlanOutputs", families=list[str], synths=list[str], records_uri=str, sorted_uri=str, run_uri=str, code=str
):
    """Checks the parameters and names the places of the run."""
    from dataclasses import astuple
    from typing import NamedTuple

    from components.sort import plan as step
    from components.telemetry.task import task

    with task("plan") as running:
        result = step.plan(source, workspace, families, synths, preset, bindings)
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
            ("code", str),
        ],
    )
    return outputs(*astuple(result))


@dsl.component(base_image=images.DATA, install_kfp_package=False)
def sort(records_uri: str, sorted_uri: str, families: list[str]) -> NamedTuple(
    "SortOutputs", families=list[str], data_fingerprint=str
):
    """Sorts the records' shards by instrument family; does nothing when that is done."""
    from typing import NamedTuple

    from components.sort import step
    from components.telemetry.task import task

    with task("sort") as running:
        result = step.sort_all(records_uri, sorted_uri, families=families)
        running.found(result.summary(), families=result.families)
    outputs = NamedTuple("SortOutputs", [("families", list), ("data_fingerprint", str)])
    return outputs(result.families, result.fingerprint)
