"""The pipeline `train-instruments`: from notes to registered instruments.

    plan -> prepare -> group-shards -> for each group: sort -> commit-sorted-set -> select
         -> for each family: (for each synth: train -> evaluate) -> register
         -> compare

When a training fails, the other synths of its family are still evaluated and registered, the other families continue,
and the comparison says what is missing. The run as a whole fails.
"""

from kfp import dsl

from components.plan.component import plan, select
from components.prepare.component import prepare
from components.sort.component import commit_sorted_set, group_shards, sort
from pipelines.task_resources import light
from pipelines.train_families import train_and_compare


@dsl.pipeline(name="sort-shards", description="Sorts the source's shards, one worker for each group of them.")
def sort_shards(groups: list[str], sorted_uri: str):
    with dsl.ParallelFor(groups, name="each-group") as group:
        sorting = sort(sorted_uri=sorted_uri, share=group)
        light(sorting, "2Gi", hours=6).set_caching_options(False)  # continues from its receipts


@dsl.pipeline(
    name="train-instruments",
    description="Sorts notes by instrument family; trains, evaluates, registers and compares DDSP synthesizers.",
)
def train_instruments(
    source: str = "gs://tfds-data/datasets/nsynth/gansynth_subset.f0_and_loudness/2.3.3",
    workspace: str = "",
    families: list[str] = ["string", "keyboard"],
    synths: list[str] = ["harmonic", "sinusoidal", "wavetable"],
    preset: str = "standard",
    bindings: list[str] = [],
    tracking_uri: str = "",
    sort_workers: int = 8,
    if_changed: bool = False,
    gpus: int = -1,
    queue: str = "",
    priority_class: str = "",
):
    """Trains DDSP instruments.

    Args:
        source: Folder of NSynth records (nsynth-<split>.tfrecord-*) or of recordings (wav, flac, ogg, mp3).
        workspace: Folder (gs://bucket/prefix or a path) for all results: sorted shards, trainings, reports.
        families: Instrument families to train: bass brass flute guitar keyboard mallet organ reed string synth_lead
            vocal. An empty list takes every family that the source has.
        synths: Synthesizers to train for each family; the package names them (see pipelines.package).
        preset: Size of the network and length of the training; the package names the presets.
        bindings: gin bindings on top of the preset, for instance "train.max_steps = 5000", and of the promotion gate,
            for instance "gate.margin = 0.02".
        tracking_uri: MLflow server. Empty: the pod's MLFLOW_TRACKING_URI.
        sort_workers: Maximum number of pods that sort at the same time; each sorts one gigabyte or more.
        if_changed: Train only models that are not registered with the same data, settings and training version; start
            from the weights of the version before.
        gpus: GPUs of each training's Job; 0 trains on the CPU, -1 takes the number in the Job's template.
        queue: Kueue LocalQueue of the Jobs. Empty: none.
        priority_class: PriorityClass of the trainings' pods. Empty: the template's.
    """
    planned = plan(
        source=source,
        workspace=workspace,
        families=families,
        synths=synths,
        preset=preset,
        bindings=bindings,
        tracking_uri=tracking_uri,
        if_changed=if_changed,
    )
    light(planned).set_caching_options(False)  # the source may have changed at the same URI
    prepared = prepare(source=source, records_uri=planned.outputs["records_uri"], families=planned.outputs["families"])
    light(prepared, "4Gi", hours=6).set_caching_options(False)  # it compares the content itself
    groups = group_shards(
        records_uri=prepared.output, sorted_uri=planned.outputs["sorted_uri"], max_workers=sort_workers
    )
    light(groups).set_caching_options(False)  # as prepare
    sorting = sort_shards(groups=groups.output, sorted_uri=planned.outputs["sorted_uri"])
    sorted_set = commit_sorted_set(
        sorted_uri=planned.outputs["sorted_uri"], families=planned.outputs["families"]
    ).after(sorting)
    light(sorted_set).set_caching_options(False)  # as prepare
    selected = select(
        sorted_uri=planned.outputs["sorted_uri"],
        families=sorted_set.outputs["families"],
        synths=planned.outputs["synths"],
        preset=preset,
        bindings=planned.outputs["bindings"],
        tracking_uri=tracking_uri,
        if_changed=if_changed,
    )
    light(selected).set_caching_options(False)  # the registry may have changed
    train_and_compare(
        families=selected.outputs["families"],
        synths=planned.outputs["synths"],
        sorted_uri=planned.outputs["sorted_uri"],
        others_uri=selected.outputs["others_uri"],
        data_fingerprint=sorted_set.outputs["data_fingerprint"],
        run_uri=planned.outputs["run_uri"],
        preset=preset,
        bindings=planned.outputs["bindings"],
        warm_starts=selected.outputs["warm_starts"],
        source_fingerprints=planned.outputs["source_fingerprints"],
        gate_bindings=planned.outputs["gate_bindings"],
        tracking_uri=tracking_uri,
        gpus=gpus,
        queue=queue,
        priority_class=priority_class,
        evaluation_version=planned.outputs["evaluation_version"],
    )
