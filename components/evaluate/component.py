"""Kubeflow components: evaluates one model; compares all models of a run."""

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

    `data_fingerprint` and `evaluation_version` are parts of the cache key.
    """
    from components.artifacts.output_artifacts import publish_file
    from components.artifacts.training_dir import TrainingDir
    from components.evaluate import step
    from components.telemetry.slots import slot
    from components.telemetry.task import task

    with task(f"evaluate {TrainingDir(training_uri).name}") as running, slot():
        result = step.evaluate(training_uri, sorted_uri, training_uri, others_uri=others_uri or None)
        running.found(result.text())
        for metric, value in result.metrics().items():
            metrics.log_metric(metric, value)
        publish_file(metrics, result.evaluation_uri)
        publish_file(report, result.report_uri)
        report.metadata["report_uri"] = result.report_uri
        return training_uri


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def compare(report: dsl.Output[dsl.HTML], run_uri: str = "", families: list[str] = [], synths: list[str] = []):
    """Compares the synthesizers of every family in one report, which also says what is missing."""
    from pathlib import Path

    from components.artifacts.output_artifacts import publish_file
    from components.artifacts.training_dir import TrainingDir
    from components.evaluate.compare import compare
    from components.telemetry.task import task

    with task("compare") as running:
        if not families:
            running.found("nothing was trained")
            nothing = "<!doctype html><title>Luthier</title><p>Nothing was trained: all models are registered already."
            Path(report.path).write_text(nothing)
            return
        trainings = [TrainingDir.of(run_uri, family, synth).uri for family in families for synth in synths]
        result = compare(trainings, run_uri)
        running.found(result.text())
        publish_file(report, result.report_uri)
        report.metadata["report_uri"] = result.report_uri
