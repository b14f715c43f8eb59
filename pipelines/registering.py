"""Kubeflow component: the registration of one family's models, which takes two steps.

One task, because Kubeflow Pipelines (2.17) lets nothing wait for a task that runs whatever failed before it.
"""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.train_image(), install_kfp_package=False)
def register(
    family: str,
    synths: list[str],
    run_uri: str,
    sorted_uri: str,
    origins: dict[str, str],
    gate: list[str],
    tracking_uri: str,
    pipeline_run: str,
    pipeline_run_id: str,
    model: dsl.Output[dsl.Model],
) -> str:
    """Registers a family's models. The best becomes champion if it beats the champion, which plays the same notes."""
    from components.evaluate.challenge import challenge
    from components.nsynth.source_fingerprints import origin_of
    from components.register import step
    from components.telemetry.slots import slot
    from components.telemetry.task import task

    with task(f"register {family}") as running, slot():
        trainings = step.evaluated(run_uri, family, synths)
        champion_heard = challenge(trainings, sorted_uri, tracking_uri)
        lineage = {"pipeline_run": pipeline_run, "pipeline_run_id": pipeline_run_id}
        lineage["origin"] = origin_of(family, origins)
        result = step.register(
            trainings, tracking_uri, lineage=lineage, champion_heard=champion_heard, gate_bindings=gate
        )
        running.found(result.text())
        if result.champion:
            model.uri = result.champion.source
            model.metadata.update(registry=result.champion_uri, version=result.champion.version, family=family)
        return result.champion_uri
