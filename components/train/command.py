"""`luthier train`."""

from __future__ import annotations

import click


@click.command("train")
@click.option("--data", "data_uri", required=True, metavar="URI", help="Root of a sorted set.")
@click.option("--synth", required=True, help="harmonic, sinusoidal or wavetable.")
@click.option("--out", "out_uri", required=True, metavar="URI", help="The training directory.")
@click.option("--family", help="Instrument family; may be left out where the set has one alone.")
@click.option("--preset", default="smoke", show_default=True, help="smoke, seed or standard.")
@click.option("--set", "bindings", multiple=True, metavar="BINDING", help="Gin binding, 'train.max_steps = 400'.")
def command(
    data_uri: str, synth: str, out_uri: str, family: str | None, preset: str, bindings: tuple[str, ...]
) -> None:
    """Trains one synthesizer on one instrument family.

    The same command again goes on where it was stopped; where it had finished, it does nothing.
    """
    from components.telemetry import metrics, orphan
    from components.train.step import train

    orphan.watch()
    metrics.serve_if_asked()
    result = train(data_uri, synth, out_uri, family, preset, bindings)
    click.echo(f"{'trained already' if result.reused else 'trained'}: {result.family}-{result.synth}")
    click.echo(f"  steps   {result.steps} ({result.stop_reason})")
    click.echo(
        f"  loss    {result.first_spectral_loss:.2f} -> {result.last_spectral_loss:.2f} held out; "
        f"best {result.valid_loss:.2f} at step {result.best_step}"
    )
    click.echo(f"  model   {result.model_uri}")
