"""`luthier prepare`."""

from __future__ import annotations

import sys

import click

from components.core.text import counted


@click.command("prepare")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDINGS...")
@click.option("--out", metavar="URI", help="Output directory for the records.")
@click.option("--family", metavar="NAME", help="The instrument family of all the recordings.")
@click.option(
    "--pitch",
    "tracker_name",
    default="swift-f0",
    metavar="NAME",
    help="The pitch tracker: swift-f0 (fast) or crepe (slow; needs the package torchcrepe).",
)
@click.option("--check", "only_check", is_flag=True, help="Check the recordings only; write nothing.")
@click.option("--overwrite", is_flag=True, help="Replace the records of other recordings.")
@click.option("--strict", is_flag=True, help="Write nothing if a recording cannot be used.")
def command(
    recordings: tuple[str, ...],
    out: str | None,
    family: str | None,
    tracker_name: str,
    only_check: bool,
    overwrite: bool,
    strict: bool,
) -> None:
    """Convert recordings to records in the format of the data set.

    RECORDINGS are files of sound, or directories of them: wav, flac, ogg, opus, mp3, aiff, caf, w64, au and others, of
    any sampling rate, number of channels and length. A recording longer than 4 s is cut into notes of 4 s. Without
    --family, the family is taken from the file name (string_acoustic_948-060-075.flac) or the directory (string/take
    1.wav). Recordings that cannot be used are left out and listed at the end; --check then ends with exit code 1.
    """
    from components.prepare import step

    if only_check:
        checked = step.check(recordings, family, tracker_name)
        click.echo("\n".join(checked.problems) or "no problems found")
        if checked.passed_over:
            click.echo(f"passed over: {checked.passed_over}")
        if checked.unusable:
            click.echo(f"luthier: {counted(checked.unusable, 'recording')} cannot be used, see above", err=True)
            sys.exit(1)
        return
    if not out:
        raise click.UsageError("got neither --out nor --check: expected one of them")
    result = step.prepare(recordings, out, family, overwrite, strict=strict, tracker_name=tracker_name)
    for line in result.warnings():
        click.echo(f"warning: {line}", err=True)
    click.echo(f"{result.summary()}: {out} (fingerprint {result.fingerprint})")
