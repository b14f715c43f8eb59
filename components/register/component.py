"""Kubeflow component: what a retraining is for."""

from typing import NamedTuple

from kfp import dsl

from components.core import environment


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
    """Leaves out what the registry has of the same data, settings and code, if only changes are asked for."""
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
