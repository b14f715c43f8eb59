"""Kubeflow component: trains one synth on one family: in a cluster as a Job, on a laptop as a child process."""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def train(
    sorted_uri: str,
    data_fingerprint: str,
    run_uri: str,
    family: str,
    synth: str,
    preset: str,
    bindings: list[str],
    warm_starts: dict[str, str],
    gpus: int,
    queue: str,
    priority_class: str,
    model: dsl.Output[dsl.Model],
) -> str:
    """Trains one synth on one family. Returns the training directory.

    `data_fingerprint` is a part of the cache key, and not used.
    """
    from components import storage
    from components.artifacts.output_artifacts import publish_model
    from components.artifacts.training_dir import TrainingDir
    from components.core.environment import in_cluster
    from components.launch import local_process, result, step
    from components.launch.request import Placement, TrainingRequest
    from components.telemetry.task import task

    training_dir = TrainingDir.of(run_uri, family, synth)
    with task(f"train {training_dir.name}") as running:
        request = TrainingRequest.checked(
            data_uri=sorted_uri,
            family=family,
            synth=synth,
            out_uri=training_dir.uri,
            preset=preset,
            bindings=bindings,
            run_id=storage.basename(run_uri),
            warm_start=warm_starts.get(training_dir.name, ""),
        )
        if in_cluster():
            gpus_or_template = gpus if gpus >= 0 else None
            placement = Placement(queue=queue or None, priority_class=priority_class or None, gpus=gpus_or_template)
            record = step.launch(request, placement).record
            assert record is not None  # it was followed to its end
        else:
            record = local_process.train(request)
        running.found(result.summary(record))
        publish_model(model, training_dir.model_uri)
        model.metadata.update(result.model_metadata(record))
        return request.out_uri
