"""Compiles the pipeline to the YAML that both a cluster and the local runner execute."""

from __future__ import annotations

from pathlib import Path

PIPELINE_FILE = "train-instruments.yaml"


def compile_to(folder: Path) -> Path:
    """Writes the pipeline package.

    Args:
        folder: Where to; made when it is missing.

    Returns:
        The YAML file.
    """
    from kfp import compiler

    from pipelines.train_instruments import train_instruments

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PIPELINE_FILE
    compiler.Compiler().compile(train_instruments, str(path))
    return path
