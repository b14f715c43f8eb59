"""Compiles the pipeline to the YAML file that both a cluster and the local runner execute."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

from components.core import environment, git
from components.core.errors import write_error
from components.core.fingerprint import content_fingerprint

PIPELINE_NAME = "train-instruments"
SORT_LOOP, TRAIN_LOOP, TRAIN_TASK, FAILURES = "sort-shards", "trainings", "train", "if-trainings-failed"
PLAN_TASK, REGISTER_TASK = "plan", "register"
PIPELINE_FILE = f"{PIPELINE_NAME}.yaml"
NATIVE_FILE = f"{PIPELINE_NAME}-native.yaml"
_CHANNEL = "pipelinechannel--"  # kfp's prefix for what a task's settings refer to


def compile_to(directory: Path, dropdowns: bool = False) -> Path:
    """Writes the pipeline package.

    Args:
        directory: The directory to write to; it is created if it does not exist.
        dropdowns: Whether the UI's form offers the presets as a list. Needs a server that knows `literals`, such as
            Kubeflow Pipelines 2.17.

    Returns:
        The YAML file.
    """
    from kfp import compiler

    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(str(directory), error) from error
    path = directory / PIPELINE_FILE
    compiler.Compiler().compile(_pipeline(dropdowns), str(path))
    return path


def compile_native(directory: Path, dropdowns: bool = False) -> Path:
    """Writes the package as Kubernetes objects, a `Pipeline` and its `PipelineVersion`, for `kubectl apply`.

    A version cannot be changed once it exists, so its name contains the commit and a hash of the content.

    Args:
        directory: The directory to write to; it is created if it does not exist.
        dropdowns: See `compile_to`.

    Returns:
        The YAML file with both objects.
    """
    from kfp import compiler

    version = version_of(compile_to(directory, dropdowns))
    path = directory / NATIVE_FILE
    options = compiler.compiler_utils.KubernetesManifestOptions(
        pipeline_name=PIPELINE_NAME,
        pipeline_version_name=object_name(version),
        pipeline_version_display_name=version,
        include_pipeline_manifest=True,
    )
    compiler.Compiler().compile(
        _pipeline(dropdowns), str(path), kubernetes_manifest_options=options, kubernetes_manifest_format=True
    )
    return path


def default_arguments() -> dict[str, Any]:
    """Returns the pipeline's parameters with their default values."""
    from pipelines.train_instruments import train_instruments

    return {name: spec.default for name, spec in (train_instruments.component_spec.inputs or {}).items()}


def version_of(package: Path) -> str:
    """Returns the name of a package's version: the git commit, "-dirty" after uncommitted changes, and a content hash.

    The commit is LUTHIER_GIT_COMMIT (set in an image), else the checkout's. The content hash tells apart packages with
    other images or other uncommitted changes.

    Returns:
        For instance "04ac7cd12345-dirty-5f0c9a3e".
    """
    content = content_fingerprint([package.read_bytes()], 8)
    return f"{git.short_commit()}-{content}"


def object_name(version: str) -> str:
    """Returns the name of a version's Kubernetes object; object names are unique in a namespace."""
    return f"{PIPELINE_NAME}-{version}"


def images_without_digest() -> list[str]:
    """Returns the images of the package that are named by a tag, which may be moved, and not by a digest."""
    return [image for image in (environment.data_image(), environment.train_image()) if "@sha256:" not in image]


def _pipeline(dropdowns: bool) -> Any:
    from google.protobuf import struct_pb2

    from components.config.catalog import PRESETS, preset_help, synth_help
    from pipelines.train_instruments import train_instruments

    pipeline = copy.deepcopy(train_instruments)
    _name_groups(pipeline.pipeline_spec.root.dag)
    _order(pipeline.pipeline_spec.root.dag)
    _skip(pipeline.pipeline_spec.root.dag)
    _name_components(pipeline.pipeline_spec)
    parameters = pipeline.pipeline_spec.root.input_definitions.parameters
    parameters["synths"].description = f"Synthesizers to train for each family: {synth_help()}."
    parameters["preset"].description = f"Size of the network and length of the training: {preset_help()}."
    if dropdowns:
        # kfp 2.17's compiler writes no literals, though the specification and the server have them.
        parameters["preset"].literals.extend(struct_pb2.Value(string_value=name) for name in PRESETS)
    pipeline.pipeline_spec.pipeline_info.description = _description(pipeline.pipeline_spec)
    return pipeline


def _description(spec: Any) -> str:
    """Returns the pipeline's description with a line for each parameter, because the UI's form shows only names."""
    lines = [spec.pipeline_info.description, ""]
    parameters = sorted(spec.root.input_definitions.parameters.items())
    return "\n".join([*lines, *(f"{name}: {' '.join(each.description.split())}" for name, each in parameters)])


def _name_groups(dag: Any) -> None:
    """Names loops and conditions as the pipeline does, in place of "for-loop-2": the UI shows these names."""
    for name in sorted(dag.tasks):
        wanted = dag.tasks[name].task_info.name
        if wanted != name:
            dag.tasks[wanted].CopyFrom(dag.tasks[name])
            del dag.tasks[name]


def _order(dag: Any) -> None:
    """Adds what kfp's language cannot say: that a task follows a loop."""
    for task, loop in ((TRAIN_LOOP, SORT_LOOP), (REGISTER_TASK, TRAIN_LOOP)):
        dag.tasks[task].dependent_tasks.append(loop)


def _skip(dag: Any) -> None:
    """Adds what kfp's language cannot say without a group around the task: that it is skipped if there is no work.

    A loop without items would be shown as running for ever: Kubeflow's metadata store ends a loop with its items.
    """
    for loop in (SORT_LOOP, TRAIN_LOOP):
        items = dag.tasks[loop].parameter_iterator.items.input_parameter
        # Kubeflow asks again for each item, whose inputs have the item in place of the items.
        condition = f"!('{items}' in inputs.parameter_values) || size(inputs.parameter_values['{items}']) > 0"
        dag.tasks[loop].trigger_policy.condition = condition
    channel = f"{_CHANNEL}{PLAN_TASK}-has_work"
    output = dag.tasks[REGISTER_TASK].inputs.parameters[channel].task_output_parameter
    output.producer_task, output.output_parameter_key = PLAN_TASK, "has_work"
    dag.tasks[REGISTER_TASK].trigger_policy.condition = f"inputs.parameter_values['{channel}'] == true"


def _name_components(spec: Any) -> None:
    """Names each component after the first task that uses it, with a number where two would have the same name.

    kfp numbers the components of nested pipelines in the order of a protobuf map, which differs from process to
    process. The same pipeline must compile to the same bytes, because the content is part of its version.
    """
    names: dict[str, str] = {}
    uses: Counter[str] = Counter()

    def visit(dag: Any) -> None:
        for task in sorted(dag.tasks):
            reference = dag.tasks[task].component_ref
            if reference.name not in names:
                uses[task] += 1
                names[reference.name] = f"comp-{task}" if uses[task] == 1 else f"comp-{task}-no{uses[task]}"
                visit(spec.components[reference.name].dag)
            reference.name = names[reference.name]

    visit(spec.root.dag)
    components = {names[name]: copy.deepcopy(component) for name, component in spec.components.items()}
    spec.ClearField("components")
    for name, component in components.items():
        spec.components[name].CopyFrom(component)
