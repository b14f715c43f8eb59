"""The command line, `luthier`. The module of a command is imported only when the command is used, so help is fast.

Exit codes: 0 done; 2 the user's input is wrong (one line on stderr); 75 a training was asked to stop and saved its
state (run it again); 1 any other failure.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any, NamedTuple, NoReturn

import click

from components.core.errors import (
    EXIT_INPUT_ERROR,
    InputError,
    StepError,
    error_of_system,
    is_disk_full,
    nearest,
    one_line,
)
from components.core.redaction import redact
from components.synths import compilation_cache


class Command(NamedTuple):
    """Where a command is, and the first paragraph of its help: here, so that `luthier --help` imports no command."""

    module: str
    help: str


COMMANDS = {
    "run": Command("pipelines.run.command", "Run the whole pipeline on this machine."),
    "prepare": Command(
        "components.prepare.command",
        "Convert recordings to records in the format of the data set.",
    ),
    "sort": Command("components.sort.command", "Sort records into shards of one instrument family."),
    "train": Command("components.train.command", "Train one or more synthesizers on one instrument family."),
    "train-and-evaluate": Command(
        "pipelines.train_and_evaluate_command",
        "Train one synthesizer and evaluate the model, as the pipeline does for each training.",
    ),
    "launch": Command("components.launch.command", "Train one synthesizer as a Kubernetes Job and follow it."),
    "presets": Command(
        "components.config.presets_command",
        "List the presets: steps, batch, network, and how long a training takes at most.",
    ),
    "doctor": Command("pipelines.doctor.command", "Check cluster, Kubeflow, storage and registry before a run."),
    "jobs": Command(
        "components.launch.jobs_command",
        "List the Jobs of trainings with their state, and find those that no launcher follows.",
    ),
    "evaluate": Command(
        "components.evaluate.command", "Evaluate a model on held-out notes: scores and listening samples."
    ),
    "transfer": Command("components.transfer.command", "Render a recording with the timbre of a model."),
    "play": Command("components.play.command", "Play a MIDI file with models as its instruments."),
    "export": Command("components.export.command", "Export models for other software, or as a page to play."),
    "models": Command(
        "components.register.models_command", "List the registered models with their scores and promotion status."
    ),
    "rollback": Command(
        "components.register.rollback_command", "Make an earlier version of a model the champion again."
    ),
    "compile": Command("pipelines.command", "Compile the pipeline package, a YAML file for Kubeflow."),
    "submit": Command("pipelines.submit.command", "Run the pipeline in Kubeflow and follow it to its end."),
    "runs": Command("pipelines.runs.command", "List the runs of the pipeline in Kubeflow, or those of a workspace."),
    "schedule": Command("pipelines.schedule.command", "Create, update or replace the recurring run in Kubeflow."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name].module).command
        for parameter in command.params:
            parameter.callback = parameter.callback or _check_not_empty
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise InputError(f"unknown command '{args[0]}': {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])


def _check_not_empty(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuses an empty text, such as an unset shell variable, unless that is the option's default."""
    texts = value if isinstance(value, tuple) else (value,)
    if value != parameter.get_default(context) and any(isinstance(text, str) and not text.strip() for text in texts):
        name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        raise InputError(f"{name} is empty: expected a value; is a shell variable unset?")
    return value


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Log more, for debugging.")
@click.version_option(package_name="luthier", message="luthier %(version)s")
def cli(verbose: bool) -> None:
    """Train DDSP synthesizers on instrument sounds, evaluate them and register them.

    A URI is gs://bucket/prefix or a local path; every command accepts both.
    """
    from components.telemetry import log

    log.setup(verbose)


def main() -> None:
    """Entry point of the console script."""
    # Without it, a Python that is started with -m or -c imports what lies in the current directory: kfp.py, json.py.
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        with compilation_cache.removed_if_damaged():
            cli(prog_name="luthier", standalone_mode=False)
    except (InputError, StepError) as error:
        _exit(error)
    except click.ClickException as error:
        click.echo(f"luthier: {one_line(redact(error.format_message()))}", err=True)
        sys.exit(EXIT_INPUT_ERROR)
    except (click.Abort, KeyboardInterrupt):
        click.echo("luthier: stopped", err=True)
        sys.exit(1)
    except MemoryError:
        _exit(StepError("there is not enough memory; try smaller batches, or a machine with more"))
    except Exception as error:
        if is_disk_full(error):
            _exit(StepError(f"{error}; free some space and run it again"))
        if not isinstance(error, OSError) or logging.getLogger().isEnabledFor(logging.DEBUG):
            raise  # with its traceback: a bug, or --verbose
        _exit(error_of_system(error))


def _exit(error: InputError | StepError) -> NoReturn:
    click.echo(f"luthier: {one_line(redact(str(error)))}", err=True)
    sys.exit(EXIT_INPUT_ERROR if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
