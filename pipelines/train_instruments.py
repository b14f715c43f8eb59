"""The pipeline `train-instruments`: from notes to registered instruments.

    plan -> sort (a pod for each share of a large source) -> train (one for each training) -> register
         -> failed-trainings (only if there are any)

`plan` prepares the data, sorts it unless it is large, and returns the trainings that remain to be done. `register`
registers the models of all families and compares them. When a training fails, the others go on and are registered,
and the run fails at its end, in `failed-trainings`.

Each task of Kubeflow Pipelines costs two pods, one after the other, each group and loop one, each item of a loop one
more: hence few tasks, and no group. `package` adds that `train` follows `sort` and `register` follows `train`, which
kfp's language cannot say of loops.
"""

from kfp import dsl

from pipelines.package import FAILURES, SORT_LOOP, TRAIN_LOOP
from pipelines.plan_component import plan
from pipelines.register_component import failed_trainings, register
from pipelines.sort_component import sort
from pipelines.task_resources import failing, waiting, working
from pipelines.train_component import train


@dsl.pipeline(
    name="train-instruments",
    description="Sorts notes by instrument family; trains, evaluates, registers and compares DDSP synthesizers.",
)
def train_instruments(
    workspace: str,
    source: str = "gs://tfds-data/datasets/nsynth/gansynth_subset.f0_and_loudness/2.3.3",
    families: list[str] = ["string", "keyboard"],
    synths: list[str] = ["harmonic", "sinusoidal", "wavetable"],
    preset: str = "standard",
    bindings: list[str] = [],
    tracking_uri: str = "",
    if_changed: bool = False,
    gpus: str = "",
    queue: str = "",
    priority_class: str = "",
    sort_workers: int = 8,
    memory_limit: str = "8Gi",
):
    """Trains DDSP instruments.

    Args:
        workspace: gs://bucket/prefix for all results: sorted notes, trainings, reports. Required.
        source: Directory of NSynth records (nsynth-<split>.tfrecord-*) or of recordings (wav, flac, ogg, mp3).
        families: Instrument families to train: bass brass flute guitar keyboard mallet organ reed string synth_lead
            vocal. An empty list takes every family that the source has.
        synths: Synthesizers to train for each family; the package names them (see pipelines.package).
        preset: Size of the network and length of the training; the package names the presets.
        bindings: gin bindings on top of the preset, for instance "train.max_steps = 5000", and of the promotion gate,
            for instance "gate.margin = 0.02".
        tracking_uri: MLflow server. Empty for that of the cluster's settings (MLFLOW_TRACKING_URI).
        if_changed: Train only models that are not registered with the same data, settings and training version; start
            from the weights of the version before.
        gpus: GPUs of each training; 0 trains on the CPU. Empty for the number in the template of the Job.
        queue: Kueue LocalQueue of the trainings. Empty for none.
        priority_class: PriorityClass of the trainings. Empty for that of the template of the Job.
        sort_workers: Maximum number of pods that sort at the same time; each sorts one gigabyte or more.
        memory_limit: Memory that the tasks plan, sort and register may use each; trainings have that of their Job.
    """
    planned = plan(
        source=source,
        workspace=workspace,
        families=families,
        synths=synths,
        preset=preset,
        bindings=bindings,
        tracking_uri=tracking_uri,
        sort_workers=sort_workers,
        if_changed=if_changed,
        gpus=gpus,
        queue=queue,
        priority_class=priority_class,
    )
    working(planned, memory_limit, hours=12)
    with dsl.ParallelFor(planned.outputs["shares"], name=SORT_LOOP) as share:
        working(sort(sorted_uri=planned.outputs["sorted_uri"], share=share), memory_limit, hours=6)
    with dsl.ParallelFor(planned.outputs["Output"], name=TRAIN_LOOP) as training:
        trained = train(
            training=training,
            tracking_uri=tracking_uri,
            gpus=gpus,
            queue=queue,
            priority_class=priority_class,
            pipeline_run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        )
        waiting(trained, hours=96)  # for its Job, and the Job for a GPU
    run = {name: planned.outputs[name] for name in ("run_uri", "families", "synths")}
    registered = register(
        **run,
        sorted_uri=planned.outputs["sorted_uri"],
        source_fingerprints=planned.outputs["source_fingerprints"],
        gate_bindings=planned.outputs["gate_bindings"],
        tracking_uri=tracking_uri,
        pipeline_run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
        pipeline_run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
    )
    working(registered, memory_limit, hours=12)
    with dsl.If(registered.outputs["Output"] == "incomplete", name=FAILURES):
        failing(failed_trainings(**run))
