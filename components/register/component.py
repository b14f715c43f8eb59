"""Kubeflow components: what a retraining is for, and the registration of one family's models."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.DATA, install_kfp_package=False)
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

    from components.register.selection import Selection, select
    from components.telemetry.task import task

    with task("select") as running:
        selection = Selection(families)
        if if_changed:
            selection = select(sorted_uri, families, synths, preset, bindings, tracking_uri)
        running.found(", ".join(selection.families) or "nothing new to train", families=selection.families)
    outputs = NamedTuple("SelectOutputs", [("families", list), ("warm_starts", dict), ("others_uri", str)])
    return outputs(*astuple(selection))


@dsl.component(base_image=images.DATA, install_kfp_package=False)
def register(
    family: str,
    synths: list[str],
    run_uri: str,
    origins: dict[str, str],
    gate: list[str],
    tracking_uri: str,
    pipeline_run: str,
    model: dsl.Output[dsl.Model],
    champion_heard: dict = {},
) -> str:
    """Registers a family's models. The best may become its champion. Returns the champion's URI."""
    from components.nsynth.origins import origin_of
    from components.register import step
    from components.telemetry.task import task

    with task(f"register {family}") as running:
        trainings = step.evaluated(run_uri, family, synths)
        lineage = {"pipeline_run": pipeline_run, "origin": origin_of(family, origins)}
        result = step.register(
            trainings, tracking_uri, lineage=lineage, champion_heard=champion_heard, gate_bindings=gate
        )
        running.found(result.text())
        if result.champion:
            model.uri = result.champion.source
            model.metadata.update(registry=result.champion_uri, version=result.champion.version, family=family)
        return result.champion_uri
