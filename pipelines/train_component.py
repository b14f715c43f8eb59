"""Kubeflow component: trains one synth on one family and evaluates the model."""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def train(
    training: str,
    tracking_uri: str,
    gpus: str,
    queue: str,
    priority_class: str,
    pipeline_run_id: str,
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
):
    """Trains and evaluates a planned training. If that fails, the run goes on, and ends in `failed-trainings`."""
    from components.artifacts.output_artifacts import publish_file, publish_model, publish_page
    from components.launch.request import Placement
    from components.launch.result import model_metadata
    from components.plan.planned_training import PlannedTraining
    from pipelines.train_planned import train_planned

    planned = PlannedTraining.from_text(training)
    placement = Placement.of_form(gpus, queue, priority_class)
    done = train_planned(planned, placement, tracking_uri, pipeline_run_id)
    if isinstance(done, str):
        publish_model(model, "")
        publish_page(report, f"{planned.name}: {done}")
        publish_page(metrics, f"{planned.name}: {done}")
        return
    publish_model(model, planned.training_dir.model_uri)
    model.metadata.update(model_metadata(done.record))
    for name, value in done.evaluation.means().items():
        metrics.log_metric(name, value)
    publish_file(metrics, planned.training_dir.evaluation_uri)
    publish_file(report, planned.training_dir.report_uri)
    report.metadata["report_uri"] = planned.training_dir.report_uri
