"""`luthier train`."""

from __future__ import annotations

import click

from components.config.catalog import preset_help, synth_help


@click.command("train")
@click.option("--data", "data_uri", metavar="URI", help="Root of a sorted set.")
@click.option("--synth", help=f"{synth_help()}; several, separated by commas, share the notes and the device.")
@click.option(
    "--out", "out_uri", required=True, metavar="URI", help="The training directory; for several synths, its parent."
)
@click.option("--family", help="Instrument family; optional if the set has only one.")
@click.option("--preset", default="smoke", show_default=True, help=f"{preset_help()}.")
@click.option("--from", "from_uri", metavar="URI", help="Reproduce this earlier training, with all its settings.")
@click.option("--warm-start", default="", metavar="URI", help="Start with the weights of this model or training.")
@click.option("--resume", is_flag=True, help="Fail if there is no training to resume in --out.")
@click.option("--restart", is_flag=True, help="Delete the training in --out and start again.")
@click.option("--set", "bindings", multiple=True, metavar="BINDING", help="Gin binding, 'train.max_steps = 400'.")
@click.option(
    "--tracking-uri",
    default="",
    metavar="URI",
    help="MLflow server or database for the training curves. [default: MLFLOW_TRACKING_URI, or none]",
)
def command(
    data_uri: str | None,
    synth: str | None,
    out_uri: str,
    family: str | None,
    preset: str,
    from_uri: str | None,
    warm_start: str,
    resume: bool,
    restart: bool,
    bindings: tuple[str, ...],
    tracking_uri: str,
) -> None:
    """Train one or more synthesizers on one instrument family.

    Models and trainings of --warm-start and --from may be from anywhere: nothing in them is run.

    The same command resumes a training that was stopped, and does nothing if it has finished. A later stop, such as
    a higher train.max_steps, continues a finished one. On SIGTERM or Ctrl-C it saves a checkpoint and exits with
    code 75: run it again to resume. Only one process at a time trains in a directory.
    """
    from components.artifacts.training_dir import training_name
    from components.telemetry import metrics, parent_watch
    from components.train.start import StartMode
    from components.train.step import reproduce, train, train_several

    if resume and restart:
        raise click.UsageError("--resume and --restart exclude each other")
    start: StartMode = "resume" if resume else "restart" if restart else "continue"
    parent_watch.watch()
    metrics.serve_if_asked()
    if from_uri:
        if synth or family or bindings or warm_start:
            raise click.UsageError(
                "--from takes --synth, --family, --set and --warm-start from the earlier training: leave them out"
            )
        results = [reproduce(from_uri, out_uri, data_uri, start, tracking_uri)]
    elif not data_uri or not synth:
        raise click.UsageError("expected --data and --synth, or --from")
    elif "," in synth and warm_start:
        raise click.UsageError("--warm-start needs a single --synth")
    elif "," in synth:
        synths = [name.strip() for name in synth.split(",")]
        results = train_several(data_uri, synths, out_uri, family, preset, bindings, start, tracking_uri)
    else:
        results = [train(data_uri, synth, out_uri, family, preset, bindings, start, tracking_uri, warm_start)]
    for result in results:
        click.echo(f"{'trained already' if result.reused else 'trained'}: {training_name(result.family, result.synth)}")
        click.echo(f"  steps   {result.steps} ({result.stop_reason})")
        best = f"{result.valid_loss:.2f} at step {result.best_step}"
        click.echo(f"  loss    {result.last_spectral_loss:.2f} held out; best {best}")
        click.echo(f"  model   {result.model_uri}")
