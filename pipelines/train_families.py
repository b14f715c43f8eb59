"""The pipeline's inner part: every family with every synth, registered and compared, whatever fails on the way.

The loops are pipelines of their own because KFP's local runner (2.17) resolves loop items only from the inputs of the
pipeline that the loop stands in, and gives the inner of two nested loops' items to both. And a task that is to run
whatever failed before it waits for one task alone, for a cluster runs it once for each that it waits for.
"""

from kfp import dsl

from components.evaluate.component import compare, evaluate
from components.launch.component import train
from pipelines.registering import register
from pipelines.task_resources import heavy, light


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
        light(training, hours=96)  # it waits for a Job, which may wait for a GPU
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
    origins: dict[str, str],
    gate: list[str],
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
        origins=origins,
        gate=gate,
        tracking_uri=tracking_uri,
        pipeline_run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
        pipeline_run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
    )
    registered.after(trained).ignore_upstream_failure()
    # It finds what it registered before, unless the registry is another.
    heavy(registered).set_caching_options(False)


@dsl.pipeline(name="every-family", description="One instrument family after the other, or side by side.")
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
    origins: dict[str, str],
    gate: list[str],
    tracking_uri: str,
    gpus: int,
    queue: str,
    priority_class: str,
    evaluation_version: int,
):
    given = dict(locals())
    with dsl.ParallelFor(given.pop("families"), name="each-family") as family:
        one_family(family=family, **given)


@dsl.pipeline(name="train-and-compare", description="Trains every family, and sets all of them side by side.")
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
    origins: dict[str, str],
    gate: list[str],
    tracking_uri: str,
    gpus: int,
    queue: str,
    priority_class: str,
    evaluation_version: int,
):
    trained = every_family(**locals())
    compared = compare(run_uri=run_uri, families=families, synths=synths, evaluation_version=evaluation_version)
    compared.after(trained).ignore_upstream_failure()
    light(compared, "2Gi").set_caching_options(False)  # what is missing may have come
