"""Kubeflow component: trains one synthesizer on one family: a Job in a cluster, a child process on a laptop."""

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
    """Trains one synthesizer on one family. Returns the training directory.

    `data_fingerprint` is there for the cache key.
    """
    from components import storage
    from components.artifacts.model_card import MODEL_DIR
    from components.kubernetes import connection
    from components.launch import local_process, step
    from components.launch.finished import FinishedTraining
    from components.launch.training import Placement, Training
    from components.telemetry.task import task

    with task(f"train {family}-{synth}") as running:
        training = Training.checked(
            data_uri=sorted_uri,
            family=family,
            synth=synth,
            out_uri=storage.join(run_uri, f"{family}-{synth}"),
            preset=preset,
            bindings=bindings,
            run_id=storage.basename(run_uri),
            warm_start=warm_starts.get(f"{family}-{synth}", ""),
        )
        if connection.in_a_cluster():
            gpus_or_template = gpus if gpus >= 0 else None
            placement = Placement(queue=queue or None, priority_class=priority_class or None, gpus=gpus_or_template)
            finished = FinishedTraining(step.launch(training, placement).record or {})
        else:
            finished = local_process.train(training)
        running.found(finished.summary())
        model.uri = storage.join(training.out_uri, MODEL_DIR)
        model.metadata.update(finished.facts())
        return training.out_uri
