"""The command line as a user meets it: quick to answer, clear about mistakes."""

import json
import resource
import subprocess
import sys

import pytest

LUTHIER = [sys.executable, "-m", "components.cli"]


def luthier(*arguments):
    return subprocess.run([*LUTHIER, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def test_help_answers_at_once():
    seconds = []
    for _ in range(3):
        before = _processor_seconds()
        result = luthier("--help")
        seconds.append(_processor_seconds() - before)
    assert result.returncode == 0
    assert "evaluate" in result.stdout
    assert min(seconds) < 0.5


def _processor_seconds():
    """What the children that ended took: other than the clock, it does not count what runs beside them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tain"], "did you mean 'train'"),
        (["sort", "--sorce", "x"], "--source"),
        (["run", "--source", "samples"], "--workspace"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(arguments, expected):
    result = luthier(*arguments)
    assert result.returncode == 2
    assert expected in result.stderr
    assert result.stderr.startswith("luthier: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    ["--help", "sort --help", "prepare --help", "run --help", "train --help", "submit --help", "schedule --help"],
)
def test_help_loads_no_tensorflow(command):
    script = (
        "import sys, json; sys.argv = ['luthier', *sys.argv[1:]]\n"
        "from components import cli\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script, *command.split()], capture_output=True, text=True)
    loaded = set(json.loads(result.stdout.splitlines()[-1]))
    assert "components" in loaded
    assert not loaded & {"tensorflow", "ddsp", "mlflow", "kfp", "google.cloud"}
