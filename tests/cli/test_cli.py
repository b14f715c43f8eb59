"""The command line as a user meets it: quick to answer, clear about mistakes."""

import json
import subprocess
import sys
import time

import pytest

LUTHIER = [sys.executable, "-m", "components.cli"]


def luthier(*arguments):
    return subprocess.run([*LUTHIER, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def test_help_answers_at_once():
    durations_s = []
    for _ in range(3):
        start = time.perf_counter()
        result = luthier("--help")
        durations_s.append(time.perf_counter() - start)
    assert result.returncode == 0
    assert "evaluate" in result.stdout
    assert min(durations_s) < 0.5


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
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    result = subprocess.run([sys.executable, "-c", script, *command.split()], capture_output=True, text=True)
    loaded = set(json.loads(result.stdout.splitlines()[-1]))
    assert "components" in loaded
    assert not loaded & {"tensorflow", "ddsp", "mlflow", "kfp", "google.cloud"}
