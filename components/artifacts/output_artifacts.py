"""Output artifacts of pipeline steps: where their content is written, so that Kubeflow and a local run accept it.

Kubeflow's launcher uploads the file at an artifact's `path`, and fails the step if the step has set a `uri` outside the
pipeline root. KFP's local runner has no such rule, and its cache reuses a task only while the URIs of its artifacts
exist. So a local artifact has the URI of the file or directory in the workspace: nothing is copied, and a task whose
results were removed runs again.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Protocol

from components import storage


class OutputArtifact(Protocol):
    """What is used of a `kfp.dsl.Artifact`."""

    uri: str
    metadata: dict[str, Any]

    @property
    def path(self) -> str: ...


def publish_file(artifact: OutputArtifact, file_uri: str) -> None:
    """Makes a file of the workspace the content of an artifact, as a copy where Kubeflow stores it.

    Args:
        artifact: The output artifact, as the step received it.
        file_uri: The file. Kubeflow's UI loads an HTML artifact whole, so a few MB at most.
    """
    if _is_below_remote_root(artifact):
        Path(artifact.path).write_bytes(storage.read_bytes(file_uri))
    else:
        artifact.uri = file_uri


def publish_model(artifact: OutputArtifact, model_uri: str) -> None:
    """Makes an artifact name a model that stays where it is: in the metadata, and as the text that Kubeflow shows.

    Args:
        artifact: The output artifact, as the step received it.
        model_uri: The model directory; "" for none.
    """
    artifact.metadata["model_uri"] = model_uri
    if _is_below_remote_root(artifact) or not model_uri:
        Path(artifact.path).write_text(f"{model_uri or 'no model'}\n")
    else:
        artifact.uri = model_uri


def publish_page(artifact: OutputArtifact, text: str) -> None:
    """Makes a short text the content of an artifact that has no other; Kubeflow's link to it leads somewhere then."""
    lines = "".join(f"<p>{escape(line)}" for line in text.splitlines())
    Path(artifact.path).write_text(f"<!doctype html><meta charset=utf-8><title>Luthier</title>{lines}\n")


def _is_below_remote_root(artifact: OutputArtifact) -> bool:
    return "://" in artifact.uri
