"""The inner pipelines: each family with each synth, registered and compared; a failure stops only what depends on it.

Each loop is a pipeline of its own because KFP's local runner (2.17) resolves loop items only from the inputs of the
pipeline that contains the loop, and gives both of two nested loops the items of the inner one. A task that ignores
failures upstream waits for one task only, because a cluster runs it once for each task that it waits for.
"""

from kfp import dsl

from components.evaluate.component import compare, evaluate
from components.launch.component import train
from pipelines.register_component import register
from pipelines.task_resources import heavy, light, waiting


@dsl.pipeline(name="every-synth", description="Trains and evaluates the synthesizers of one family.")
def every_synth(
    family: str,
    synths: list[str],
    sorted_uri: str,
    others_uri: str,
    data_fingerprint: str,
    run_uri: str,
    preset: str,
    bindings: list[str],
    warm_starts: dict[str, str],
    gpus: int,
    queue: str,
    priority_class: str,
    evaluation_version: int,
):
    with dsl.ParallelFor(synths, name="each-synth") as synth:
        training = train(
            sorted_uri=sorted_uri,
            data_fingerprint=data_fingerprint,
            run_uri=run_uri,
            family=family,
            synth=synth,
            preset=preset,
            bindings=bindings,
            warm_starts=warm_starts,
            gpus=gpus,
            queue=queue,
            priority_class=priority_class,
        )
        waiting(training, hours=96)  # for its Job, and the Job for a GPU
        evaluation = evaluate(
            training_uri=training.outputs["Output"],
            sorted_uri=sorted_uri,
            others_uri=others_uri,
            data_fingerprint=data_fingerprint,
            evaluation_version=evaluation_version,
        )
        heavy(evaluation)


@dsl.pipeline(name="one-family", description="Trains, evaluates and registers the synthesizers of one family.")
def one_family(
    family: str,
    synths: list[str],
    sorted_uri: str,
    others_uri: str,
    data_fingerprint: str,
    run_uri: str,
    preset: str,
    bindings: list[str],
    warm_starts: dict[str, str],
    source_fingerprints: dict[str, str],
    gate_bindings: list[str],
    tracking_uri: str,
    gpus: int,
    queue: str,
    priority_class: str,
    evaluation_version: int,
):
    trained = every_synth(
        family=family,
        synths=synths,
        sorted_uri=sorted_uri,
        others_uri=others_uri,
        data_fingerprint=data_fingerprint,
        run_uri=run_uri,
        preset=preset,
        bindings=bindings,
        warm_starts=warm_starts,
        gpus=gpus,
        queue=queue,
        priority_class=priority_class,
        evaluation_version=evaluation_version,
    )
    registered = register(
        family=family,
        synths=synths,
        run_uri=run_uri,
        sorted_uri=sorted_uri,
        source_fingerprints=source_fingerprints,
        gate_bindings=gate_bindings,
        tracking_uri=tracking_uri,
        pipeline_run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
        pipeline_run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
    )
    registered.after(trained).ignore_upstream_failure()
    # Not cached: it finds what is registered already, and the registry may be another one.
    heavy(registered).set_caching_options(False)


@dsl.pipeline(name="every-family", description="Trains, evaluates and registers every family.")
def every_family(
    families: list[str],
    synths: list[str],
    sorted_uri: str,
    others_uri: str,
    data_fingerprint: str,
    run_uri: str,
    preset: str,
    bindings: list[str],
    warm_starts: dict[str, str],
    source_fingerprints: dict[str, str],
    gate_bindings: list[str],
    tracking_uri: str,
    gpus: int,
    queue: str,
    priority_class: str,
    evaluation_version: int,
):
    given = dict(locals())
    with dsl.ParallelFor(given.pop("families"), name="each-family") as family:
        one_family(family=family, **given)


@dsl.pipeline(name="train-and-compare", description="Trains every family, and compares all models in one report.")
def train_and_compare(
    families: list[str],
    synths: list[str],
    sorted_uri: str,
    others_uri: str,
    data_fingerprint: str,
    run_uri: str,
    preset: str,
    bindings: list[str],
    warm_starts: dict[str, str],
    source_fingerprints: dict[str, str],
    gate_bindings: list[str],
    tracking_uri: str,
    gpus: int,
    queue: str,
    priority_class: str,
    evaluation_version: int,
):
    trained = every_family(**locals())
    compared = compare(run_uri=run_uri, families=families, synths=synths)
    compared.after(trained).ignore_upstream_failure()
    light(compared, "2Gi").set_caching_options(False)  # models may have been added since
