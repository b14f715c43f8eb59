"""`luthier run`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from components.config.catalog import SYNTHS, preset_help
from components.core import environment
from components.core.fingerprint import content_fingerprint
from components.core.redaction import has_secret


@click.command(name="run")
@click.option("--source", required=True, help="Directory of NSynth records or of recordings.")
@click.option(
    "--workspace", required=True, help="Directory for all results: records, shards, trainings, reports, registry."
)
@click.option("--families", default="", help="Instrument families, comma separated. [default: all that the source has]")
@click.option("--synths", default="", help=f"Synths, comma separated. [default: {','.join(SYNTHS)}]")
@click.option("--preset", default="smoke", show_default=True, help=f"{preset_help()}.")
@click.option(
    "--set", "bindings", multiple=True, metavar="BINDING", help="A gin binding on top of the preset; repeatable."
)
@click.option("--tracking-uri", default="", help="MLflow server or database. [default: SQLite in the workspace]")
@click.option("--if-changed", is_flag=True, help="Train only what is not registered yet; do nothing if everything is.")
@click.option(
    "--parallel",
    type=click.IntRange(1),
    default=None,
    help="Trainings at the same time. [default: one per core, with 2 GB of memory each]",
)
def command(
    source: str,
    workspace: str,
    families: str,
    synths: str,
    preset: str,
    bindings: tuple[str, ...],
    tracking_uri: str,
    if_changed: bool,
    parallel: int | None,
) -> None:
    """Run the whole pipeline on this machine.

    It goes from notes to registered instruments. The same command reuses finished work, and continues after an
    interruption.
    """
    from components.plan.run_plan import check_parameters
    from pipelines import if_changed as if_changed_module
    from pipelines.run import local, summary

    source, workspace = _absolute(source), _absolute(workspace)
    check_parameters(source, workspace, _names(families), _names(synths), preset, bindings)
    state_path = _state_path(workspace)
    tracking_uri = tracking_uri or f"sqlite:///{state_path.parent / 'mlflow' / 'mlflow.db'}"
    arguments = {
        "source": source,
        "workspace": workspace,
        "families": _names(families),
        "synths": _names(synths),
        "preset": preset,
        "bindings": list(bindings),
        "tracking_uri": tracking_uri,
        "sort_workers": 1,  # one disk
    }
    if if_changed:
        narrowed = if_changed_module.narrow(arguments)
        if narrowed is None:
            return
        arguments = narrowed
    secrets = {}
    if has_secret(tracking_uri):
        secrets = {environment.MLFLOW_TRACKING_URI: tracking_uri}
        arguments["tracking_uri"] = ""  # the tasks take that of their environment
    display = local.run(arguments, state_path, parallel or _parallel_trainings(), secrets)
    summary.show(display, tracking_uri)


def _absolute(uri: str) -> str:
    return uri if "://" in uri else str(Path(uri).expanduser().resolve())


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


def _state_path(workspace: str) -> Path:
    """Returns the directory for logs, KFP's outputs and the lock: in the workspace, in ~/.cache if that is remote."""
    if "://" not in workspace:
        return Path(workspace) / "kfp"
    name = content_fingerprint([workspace.encode()], 12)
    return Path.home() / ".cache" / "luthier" / name / "kfp"


def _parallel_trainings() -> int:
    """Returns one training per core, as long as each has two gigabytes of memory."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return max(1, min(os.cpu_count() or 1, int(memory_gb / 2)))
