"""Kubeflow component: registers one family's models. Wires two steps: evaluate scores the champion, register decides.

One task, because in Kubeflow Pipelines (2.17) no task can wait for one that ignores failures upstream.
"""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.train_image(), install_kfp_package=False)
def register(
    family: str,
    synths: list[str],
    run_uri: str,
    sorted_uri: str,
    source_fingerprints: dict[str, str],
    gate_bindings: list[str],
    tracking_uri: str,
    pipeline_run: str,
    pipeline_run_id: str,
    model: dsl.Output[dsl.Model],
) -> str:
    """Registers a family's models. The best becomes champion if it beats the champion on the same held-out notes."""
    from components.artifacts.output_artifacts import publish_model
    from components.nsynth.source_fingerprints import fingerprint_of_family
    from components.register import step
    from components.registry.tags import SOURCE_TAG
    from components.telemetry.slots import slot
    from components.telemetry.task import task
    from pipelines.challenge import score_champion

    with task(f"register {family}") as running, slot():
        trainings = step.evaluated_trainings(run_uri, family, synths)
        result = step.register(
            trainings,
            tracking_uri,
            lineage={
                "pipeline_run": pipeline_run,
                "pipeline_run_id": pipeline_run_id,
                SOURCE_TAG: fingerprint_of_family(family, source_fingerprints),
            },
            champion_score=score_champion(trainings, sorted_uri, tracking_uri),
            gate_bindings=gate_bindings,
        )
        running.found(result.text())
        publish_model(model, result.champion.source if result.champion else "")
        if result.champion:
            model.metadata.update(registry=result.champion_uri, version=result.champion.version, family=family)
        return result.champion_uri
