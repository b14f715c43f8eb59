"""Kubeflow components: registers the models of a run and compares them; ends a run with failed trainings as failed."""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.train_image(), install_kfp_package=False)
def register(
    families: list[str],
    synths: list[str],
    run_uri: str,
    sorted_uri: str,
    source_fingerprints: dict[str, str],
    gate_bindings: list[str],
    tracking_uri: str,
    pipeline_run: str,
    pipeline_run_id: str,
    report: dsl.Output[dsl.HTML],
    champions: dsl.Output[dsl.Artifact],
) -> str:
    """Registers what was trained. The best of a family becomes champion if it beats the champion on the same notes.

    Returns "incomplete" if a training failed, else "complete".
    """
    from components.artifacts.output_artifacts import publish_file, publish_page
    from components.telemetry.slots import slot
    from pipelines.registration import register_all
    from pipelines.retries import with_retries
    from pipelines.run_trainings import Run

    run = Run(run_uri, families, synths, sorted_uri)
    lineage = {"pipeline_run": pipeline_run, "pipeline_run_id": pipeline_run_id}
    with slot():
        done = with_retries(lambda: register_all(run, tracking_uri, source_fingerprints, gate_bindings, lineage))
    if done.report_uri:
        publish_file(report, done.report_uri)
        report.metadata["report_uri"] = done.report_uri
    else:
        publish_page(report, "Nothing was trained: all models are registered already.")
    lines = []
    for family, result in done.families.items():
        lines.append(result.text())
        if result.champion:
            champions.metadata[family] = f"{result.champion_uri}, version {result.champion.version}"
    publish_page(champions, "\n".join(lines) or "no model was registered")
    return "incomplete" if run.failed() else "complete"


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def failed_trainings(run_uri: str, families: list[str], synths: list[str]) -> None:
    """Fails, and says which trainings failed and why."""
    from components.telemetry.task import task
    from pipelines.run_trainings import Run, raise_failures

    with task("failed-trainings"):
        raise_failures(Run(run_uri, families, synths, ""))
