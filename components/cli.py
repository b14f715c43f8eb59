"""The one command line, `luthier`. A subcommand's module is imported only when it is used: `--help` stays instant.

Exit codes: 0 done, 2 the user's input is at fault (one line on stderr), 75 a training was asked to stop and saved its
state (run it again), 1 anything else.
"""

from __future__ import annotations

import importlib
import sys

import click

from components.core.errors import EXIT_INPUT_ERROR, InputError, StepError, nearest

# name -> (module, what `luthier --help` says of it). Here, so that help needs none of the modules.
_COMMANDS = {
    "run": ("pipelines.run.command", "The whole pipeline on this machine."),
    "prepare": ("components.prepare.command", "Recordings into records of the data set's own format."),
    "sort": ("components.sort.command", "Records into shards of one instrument family."),
    "train": ("components.train.command", "One synthesizer on one family of a sorted set."),
    "launch": ("components.launch.command", "That training as a Kubernetes Job, followed to its end."),
    "evaluate": ("components.evaluate.command", "A model on held-out notes, by number and by ear."),
    "transfer": ("components.transfer.command", "Renders a recording with a model."),
    "export": ("components.export.command", "A model for other software."),
    "models": ("components.register.models_command", "What is registered, with scores and champions."),
    "rollback": ("components.register.rollback_command", "The champion before, again."),
    "compile": ("pipelines.command", "The Kubeflow pipeline package."),
    "submit": ("pipelines.submit.command", "A run in Kubeflow, followed to its end."),
    "schedule": ("pipelines.schedule.command", "The recurring run in Kubeflow's UI."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise InputError(f"there is no command '{args[0]}': {nearest(args[0], _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="More log lines.")
@click.version_option(package_name="luthier", message="luthier %(version)s")
def cli(verbose: bool) -> None:
    """Luthier trains DDSP instruments: records in, evaluated and registered synthesizers out.

    A URI is gs://bucket/prefix or a local path; every command takes both.
    """
    from components.telemetry import log

    log.setup(verbose)


def main() -> None:
    """Entry point of the console script."""
    try:
        cli(standalone_mode=False)
    except (InputError, StepError) as error:
        click.echo(f"luthier: {' '.join(str(error).split())}", err=True)
        sys.exit(EXIT_INPUT_ERROR if isinstance(error, InputError) else 1)
    except click.ClickException as error:
        click.echo(f"luthier: {error.format_message()}", err=True)
        sys.exit(EXIT_INPUT_ERROR)
    except (click.Abort, KeyboardInterrupt):
        click.echo("luthier: stopped", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
