"""Kubeflow component: trains one synthesizer on one family."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAIN, install_kfp_package=False)
def train(
    sorted_uri: str,
    data_fingerprint: str,
    run_uri: str,
    family: str,
    synth: str,
    preset: str,
    bindings: list[str],
    model: dsl.Output[dsl.Model],
) -> str:
    """Trains one synthesizer on one family. Returns the training directory.

    `data_fingerprint` is there for the cache key.
    """
    from components import storage
    from components.telemetry.task import task
    from components.train import child

    with task(f"train {family}-{synth}") as running:
        training_uri = storage.join(run_uri, f"{family}-{synth}")
        record = child.train(sorted_uri, training_uri, family, synth, preset, bindings)
        running.found(record.summary())
        model.uri = storage.join(training_uri, "model")
        model.metadata.update(record.facts())
        return training_uri
