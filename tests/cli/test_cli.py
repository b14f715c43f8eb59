"""The command line as a user meets it: quick to answer, clear about mistakes."""

import json
import resource
import subprocess
import sys

import pytest

from components import cli

LUTHIER = [sys.executable, "-m", "components.cli"]


def luthier(*arguments):
    return subprocess.run([*LUTHIER, *map(str, arguments)], capture_output=True, text=True, timeout=600)


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
        (["run", "--source", "samples", "--workspace", ""], "--workspace is empty"),
        (["sort", "--source", "samples", "--out", " "], "--out is empty"),
        (["prepare", "", "--out", "x"], "RECORDINGS... is empty"),
        (["train", "--data", "x", "--synth", "harmonic", "--out", "x", "--set", ""], "--set is empty"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(refused, arguments, expected):
    assert expected in refused(*arguments)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_of_a_command_begins_as_the_list_of_commands_says(luthier, name):
    first_paragraph = luthier(name, "--help").out.split("\n\n")[1]
    assert " ".join(first_paragraph.split()) == cli.COMMANDS[name].help


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("(sqlite3) database or disk is full")]
)
def test_a_full_disk_is_one_line_and_exit_1(luthier, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("components.sort.verify.verify", fail)
    finished = luthier("sort", "--verify", "x")
    assert (finished.code, finished.err.count("\n")) == (1, 1)
    assert "full" in finished.err or "No space left" in finished.err


def test_no_child_process_imports_what_lies_in_the_current_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(sys, "argv", ["luthier", "--version"])
    cli.main()
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the current directory')")
    for way in (["-c", "import json"], ["-m", "json.tool", "--help"]):
        child = subprocess.run([sys.executable, *way], cwd=tmp_path, capture_output=True, text=True)
        assert child.returncode == 0, child.stderr


def test_help_loads_no_tensorflow():
    script = (
        "import sys, json\n"
        "from components import cli\n"
        "for name in ['', *cli.COMMANDS]:\n"
        "    sys.argv = ['luthier', *name.split(), '--help']\n"
        "    cli.main()\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(result.stdout.splitlines()[-1]))
    assert "components.sort.command" in loaded
    assert not loaded & {"tensorflow", "ddsp", "mlflow", "kfp", "google.cloud"}


def test_the_shell_completes_commands_and_options(luthier, monkeypatch):
    monkeypatch.setenv("_LUTHIER_COMPLETE", "bash_complete")
    for words, expected in (("luthier mod", "plain,models"), ("luthier train --pres", "plain,--preset")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        assert luthier().out.split() == [expected]
    monkeypatch.setenv("_LUTHIER_COMPLETE", "bash_source")
    assert "_luthier_completion" in luthier().out
