"""Compiles the pipeline to the YAML that both a cluster and the local runner execute."""

from __future__ import annotations

import copy
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from components.core import environment
from components.core.fingerprint import content_fingerprint

PIPELINE_NAME = "train-instruments"
PIPELINE_FILE = f"{PIPELINE_NAME}.yaml"
NATIVE_FILE = f"{PIPELINE_NAME}-native.yaml"
_COMMIT_DIGITS = 12


def compile_to(folder: Path, dropdowns: bool = False) -> Path:
    """Writes the pipeline package.

    Args:
        folder: Where to; made when it is missing.
        dropdowns: Whether the UI's form offers a parameter with few values as a list to choose from. Needs a server
            that knows `literals`: Kubeflow Pipelines 2.17 does.

    Returns:
        The YAML file.
    """
    from kfp import compiler

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PIPELINE_FILE
    compiler.Compiler().compile(_pipeline(dropdowns), str(path))
    return path


def compile_native(folder: Path, dropdowns: bool = False) -> Path:
    """Writes the package as Kubernetes objects, a `Pipeline` and its `PipelineVersion`, for `kubectl apply`.

    A version cannot be changed once it is there, so its name has the commit and the content in it.

    Args:
        folder: Where to; made when it is missing.
        dropdowns: See `compile_to`.

    Returns:
        The YAML file with both.
    """
    from kfp import compiler

    version = version_of(compile_to(folder, dropdowns))
    path = folder / NATIVE_FILE
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


def version_of(package: Path) -> str:
    """Returns the name of a package's version: the git commit, "-dirty" if it was changed since, and the content.

    The commit is what LUTHIER_GIT_COMMIT says (in an image), else the checkout's. The content matters as well: the
    images, and what an uncommitted change did.

    Returns:
        For instance "04ac7cd12345-dirty-5f0c9a3e".
    """
    content = content_fingerprint([package.read_bytes()], 8)
    return f"{_commit()}-{content}"


def object_name(version: str) -> str:
    """Returns the name of a version's Kubernetes object, which is alone in its namespace."""
    return f"{PIPELINE_NAME}-{version}"


def images_without_digest() -> list[str]:
    """Returns the images of the package whose names do not say which image exactly."""
    return [image for image in (environment.data_image(), environment.train_image()) if "@sha256:" not in image]


def _pipeline(dropdowns: bool) -> Any:
    from google.protobuf import struct_pb2

    from components.config.catalog import PRESETS
    from pipelines.train_instruments import train_instruments

    pipeline = copy.deepcopy(train_instruments)
    _name_components(pipeline.pipeline_spec)
    if dropdowns:
        # kfp 2.17's compiler writes no literals, though the specification and the server have them.
        preset = pipeline.pipeline_spec.root.input_definitions.parameters["preset"]
        preset.literals.extend(struct_pb2.Value(string_value=name) for name in PRESETS)
    return pipeline


def _name_components(spec: Any) -> None:
    """Names the components by the first task that uses them, counted where two would have one name.

    kfp numbers the components of pipelines within pipelines in the order of a protobuf map, which differs from process
    to process; and the same pipeline must be the same bytes, or its version would be another one each time.
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


def _commit() -> str:
    given = environment.get(environment.GIT_COMMIT)
    if given:
        return given[:_COMMIT_DIGITS]
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        found = subprocess.run([*command, f"--abbrev={_COMMIT_DIGITS}"], capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return found.stdout.strip() if found.returncode == 0 else "unknown"
