"""`luthier train-and-evaluate`: the process of a pipeline's training, in its Job or on a laptop."""

from __future__ import annotations

import click

from components.config.catalog import preset_help, synth_help


@click.command("train-and-evaluate")
@click.option("--data", "data_uri", required=True, metavar="URI", help="Root of a sorted set.")
@click.option("--synth", required=True, help=f"{synth_help()}.")
@click.option("--family", required=True, help="Instrument family.")
@click.option("--out", "out_uri", required=True, metavar="URI", help="The training directory.")
@click.option("--preset", default="smoke", show_default=True, help=f"{preset_help()}.")
@click.option("--warm-start", default="", metavar="URI", help="Start with the weights of this model or training.")
@click.option(
    "--others", "others_uri", metavar="URI", help="A sorted set with families that --data lacks, for timbre transfer."
)
@click.option("--set", "bindings", multiple=True, metavar="BINDING", help="Gin binding, 'train.max_steps = 400'.")
def command(
    data_uri: str,
    synth: str,
    family: str,
    out_uri: str,
    preset: str,
    warm_start: str,
    others_uri: str | None,
    bindings: tuple[str, ...],
) -> None:
    """Train one synthesizer and evaluate the model, as the pipeline does for each training.

    The same command resumes a training that was stopped, and does only what is missing. The report
    links to a page that plays the model, play.html. On SIGTERM or Ctrl-C it saves a
    checkpoint and exits with code 75: run it again to resume.
    """
    from components.artifacts import evaluation
    from components.telemetry import metrics, parent_watch
    from components.train.step import train
    from pipelines.play_page import write_play_page

    parent_watch.watch()
    metrics.serve_if_asked()
    result = train(data_uri, synth, out_uri, family, preset, bindings, warm_start_uri=warm_start)
    click.echo(f"{'trained already' if result.reused else 'trained'}: {result.training_uri} ({result.stop_reason})")
    if evaluation.is_current(out_uri):
        click.echo("evaluated already")
        return
    from components.evaluate.step import evaluate

    write_play_page(out_uri)  # before the report, which links to it
    found = evaluate(out_uri, data_uri, out_uri, others_uri=others_uri)
    click.echo(f"evaluated: {found.evaluation.text()}")
    click.echo(f"report: {found.report_uri}")
