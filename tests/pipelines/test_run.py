"""`luthier run` end to end: the compiled YAML, KFP's local runner, a handful of notes, MLflow on SQLite."""

import fcntl
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import mido
import pytest
import soundfile

from components.registry.aliases import champion_version
from components.registry.client import open_client
from pipelines.run import summary
from pipelines.run.display import Display
from tests.cli.test_documentation import PAGES, commands
from tests.pipelines.in_process import Pipeline
from tests.waiting import wait_until

SAMPLES = Path(__file__).parents[2] / "samples"
NOTES_PER_FAMILY = 4


# Of the modules that Luthier, KFP and TensorFlow import: one of each kind.
SHADOWED = ("json", "random", "kfp", "tensorflow", "components")


def start(source, workspace, *more, folder=None):
    """Starts `luthier run` as a person does, XLA and all, in a folder."""
    luthier = str(Path(sys.executable).with_name("luthier"))
    command = [luthier, "run", "--source", str(source), "--workspace", str(workspace)]
    # A few steps on short excerpts: this tests the chain, not the sound.
    bindings = ["--set", "train.max_steps = 6", "--set", "train.eval_every_steps = 3"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *bindings, *more], cwd=folder, env=os.environ | {"LUTHIER_XLA": "1"}, **pipes)


def finish(process, timeout_s=1200):
    stdout, stderr = process.communicate(timeout=timeout_s)
    return process.returncode, stdout, stderr


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for family in ("string", "keyboard"):
        for path in sorted((SAMPLES / family).glob("*.flac"))[:NOTES_PER_FAMILY]:
            (folder / family).mkdir(exist_ok=True)
            shutil.copy(path, folder / family / path.name)
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, recordings):
    """A workspace whose first run was killed while it trained, and whose second run went to its end.

    Both ran in a folder with modules that must not be imported; the recordings were touched in between.
    """
    folder, trap = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("trap")
    for name in SHADOWED:
        (trap / f"{name}.py").write_text("raise SystemExit(f'{__name__} was imported from the current folder')")
    options = ("--families", "string", "--synths", "harmonic,wavetable")
    killed = start(recordings, folder, *options, folder=trap)
    wait_until(
        lambda: list(folder.glob("runs/*/string-*/run.json")), "it trains", seconds=600, pause_s=0.1, process=killed
    )
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    for path in recordings.rglob("*.flac"):
        path.touch()
    code, stdout, stderr = finish(start(recordings, folder, *options, folder=trap))
    assert code == 0, stderr
    return folder, options, stdout


def test_killed_run_continues_and_ends_right(workspace):
    folder, _, stdout = workspace
    (run,) = (folder / "runs").iterdir()
    assert str(run / "report.html") in stdout
    assert "models:/ddsp-string@champion" in stdout
    (program,) = re.findall(r"^registry  (\S+) ui --backend-store-uri sqlite:///", stdout, re.MULTILINE)
    assert shutil.which(program)
    for synth in ("harmonic", "wavetable"):
        training = run / f"string-{synth}"
        assert json.loads((training / "run.json").read_text())["status"] == "finished"
        assert json.loads((training / "evaluation.json").read_text())["notes"]
        steps = [json.loads(line)["step"] for line in (training / "metrics.jsonl").read_text().splitlines()]
        assert steps == sorted(steps)
        assert (training / "play.html").stat().st_size > 100_000
        assert f'href="string-{synth}/play.html"' in (run / "report.html").read_text()


def again(workspace, package, monkeypatch):
    """Runs the pipeline with the arguments of the workspace's run, its tasks in this process."""
    arguments = json.loads((workspace / "kfp" / "request.json").read_text())["arguments"]
    run = Pipeline(package, workspace, monkeypatch).run(arguments)
    assert run.succeeded, run.events
    return run, [title for title in run.titles("start") if title.startswith("train")]


def test_run_again_reuses_what_is_done(workspace, local_package, monkeypatch):
    folder, _, _ = workspace
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("model/*")}
    run, trainings = again(folder, local_package, monkeypatch)
    assert not trainings
    assert run.text("select").startswith("string: 0 of 2 trainings to do; all registered, report ")
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("model/*")} == before


def test_model_that_was_removed_is_trained_again(workspace, local_package, monkeypatch):
    folder, _, _ = workspace
    (training,) = (folder / "runs").glob("*/string-wavetable")
    shutil.rmtree(training)
    run, trainings = again(folder, local_package, monkeypatch)
    assert trainings == ["train string-wavetable"]
    assert (training / "model" / "model.json").exists()
    with redirect_stdout(io.StringIO()) as printed, Display() as display:
        for event in run.events:
            display.show(event)
        summary.show(display, f"sqlite:///{folder}/mlflow/mlflow.db")
    assert "reused    string-harmonic\n" in printed.getvalue()


def test_two_runs_do_not_share_a_workspace(workspace, recordings):
    folder, options, _ = workspace
    with (folder / "kfp" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, stderr = finish(start(recordings, folder, *options))
    assert code == 2
    assert "another run" in stderr


def test_a_registry_that_is_not_there_is_one_line_and_a_password_is_nowhere(recordings, tmp_path):
    workspace, tracking_uri = tmp_path / "workspace", "http://ann:pass-word-1@127.0.0.1:9"
    process = start(recordings, workspace, "--tracking-uri", tracking_uri)
    code, stdout, stderr = finish(process)
    assert code in (1, 2)
    last = stderr.strip().splitlines()[-1]
    assert last.startswith("luthier: ")
    assert "cannot reach MLflow" in last
    written = [path for path in workspace.rglob("*") if path.is_file()]
    assert workspace / "kfp" / "request.json" in written and any(path.suffix == ".log" for path in written)
    assert not [path for path in written if b"pass-word-1" in path.read_bytes()]
    assert "pass-word-1" not in stdout + stderr
    assert not (workspace / "kfp").stat().st_mode & 0o077
    for path in [workspace / "kfp" / "request.json", *(workspace / "kfp" / "logs").iterdir()]:
        assert not path.stat().st_mode & 0o077


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ({"families": ["strnig"]}, "did you mean 'string'?"),
        ({"synths": ["harmonics"]}, "did you mean 'harmonic'?"),
        ({"preset": "smok"}, "did you mean 'smoke'?"),
        ({"families": ["organ"]}, "organ"),
        ({"bindings": ["train.function = @os.system()"]}, "@"),
    ],
)
def test_bad_parameter_is_named_before_anything_is_done(pipeline, recordings, tmp_path, parameter, expected):
    run = pipeline.run({"source": str(recordings), "workspace": str(tmp_path / "workspace"), **parameter})
    assert not run.succeeded
    assert (run.titles("start"), run.titles("failed")) == (["plan"], ["plan"])
    assert run.first_failure["input_fault"]
    assert expected in run.first_failure["message"]
    assert not (tmp_path / "workspace").exists()


def test_step_that_breaks_names_the_log(recordings, tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "records").write_text("a file where a folder must be")
    code, _, stderr = finish(start(recordings, workspace))
    assert code == 1
    assert str(workspace / "kfp" / "logs") in stderr
    assert next((workspace / "kfp" / "logs").glob("*.log")).stat().st_size > 0


# These need a cluster, a bucket, or minutes of training; others test them, and another test parses them.
NEEDS_MORE = re.compile(
    r"luthier (run|train|launch|jobs|doctor|submit|schedule|runs --limit) "
    r"|gs://|SOURCE|OUT\b|--pitch crepe|--format (vst|tflite)"
)


def test_the_commands_of_the_documents_run(workspace, luthier, tmp_path, monkeypatch):
    """In the order of the pages, from the README's first line, in a folder like a checkout after `make run`."""
    registered, _, _ = workspace
    monkeypatch.chdir(tmp_path)
    for family in ("string", "keyboard", "flute"):
        (tmp_path / "samples" / family).mkdir(parents=True)
        for path in sorted((SAMPLES / family).glob("*.flac"))[:NOTES_PER_FAMILY]:
            shutil.copy(path, tmp_path / "samples" / family)
    for name in ("workspace", "my-instrument"):
        (tmp_path / name).symlink_to(registered)
    (tmp_path / "my-recordings").symlink_to(tmp_path / "samples")
    notes, rate_hz = soundfile.read(next((SAMPLES / "flute").glob("*.flac")))
    for name in ("voice.wav", "humming.wav"):
        soundfile.write(tmp_path / name, notes[:rate_hz], rate_hz)
    (trained,) = registered.glob("runs/*/string-wavetable")
    for name in ("string-wavetable", "string-room"):  # what the `luthier train` of the documents make
        shutil.copytree(trained, tmp_path / "build" / name)
    track = mido.MidiTrack([mido.Message("note_on", note=57, velocity=80), mido.Message("note_off", note=57, time=480)])
    mido.MidiFile(tracks=[track]).save(tmp_path / "song.mid")
    lines = [line for page in PAGES for line in commands(page) if not NEEDS_MORE.search(f"{line} ")]
    assert len(lines) >= 12
    champion = champion_version(open_client("sqlite:///workspace/mlflow/mlflow.db"), "string")
    other = "1" if champion.version in ("2", 2) else "2"  # to roll back to
    failed = []
    for line in dict.fromkeys(lines):
        # The registry of this workspace has one family.
        command = line.replace("ddsp-flute", "ddsp-string").replace("--to 2", f"--to {other}")
        finished = luthier(*shlex.split(command, comments=True)[1:])
        failed += [f"{line}: {finished}"] * bool(finished.code)
    assert not failed
    assert (tmp_path / "build/flute-as-string.wav").is_file() and (tmp_path / "voice-as-string.wav").is_file()
