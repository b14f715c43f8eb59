"""Kubeflow components: evaluate one model, and compare all models of a run."""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.train_image(), install_kfp_package=False)
def evaluate(
    training_uri: str,
    sorted_uri: str,
    others_uri: str,
    data_fingerprint: str,
    evaluation_version: int,
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
) -> str:
    """Evaluates a model on held-out notes. Returns the training directory.

    `data_fingerprint` and `evaluation_version` are there for the cache key.
    """
    from components import storage
    from components.evaluate import step
    from components.telemetry.slots import slot
    from components.telemetry.task import task

    name = storage.basename(training_uri)
    with task(f"evaluate {name}") as running, slot():
        result = step.evaluate(training_uri, sorted_uri, training_uri, others_uri=others_uri or None)
        running.found(result.text())
        for metric, value in result.metrics().items():
            metrics.log_metric(metric, value)
        # Both artifacts stand where the training's other files are; nothing is copied.
        metrics.uri, report.uri = result.evaluation_uri, result.report_uri
        return training_uri


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def compare(
    report: dsl.Output[dsl.HTML],
    run_uri: str = "",
    families: list[str] = [],
    synths: list[str] = [],
    evaluation_version: int = 0,
):
    """Sets the synthesizers of every family side by side in one report, whatever became of them."""
    from pathlib import Path

    from components import storage
    from components.evaluate.compare import compare
    from components.telemetry.task import task

    with task("compare") as running:
        if not families:
            running.found("nothing was trained")
            nothing = "<!doctype html><title>Luthier</title><p>Nothing was trained: the registry has it all."
            Path(report.path).write_text(nothing)
            return
        trainings = [storage.join(run_uri, f"{family}-{synth}") for family in families for synth in synths]
        result = compare(trainings, run_uri)
        running.found(result.text())
        report.uri = result.report_uri
