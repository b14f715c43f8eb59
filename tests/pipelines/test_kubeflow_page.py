"""docs/kubeflow.md: its commands are commands, its options are options, what it names is there."""

import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from components.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kubeflow.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def lines_of(program):
    return [line for line in LINES if shlex.split(line)[0] == program]


@pytest.mark.parametrize("line", lines_of("luthier"))
def test_luthier_takes_the_options(line, tmp_path, monkeypatch):
    monkeypatch.setenv("KFP_HOST", "http://localhost:8080")
    _, name, *arguments = shlex.split(line)
    command = importlib.import_module(COMMANDS[name][0]).command
    command.make_context(name, arguments)  # parses, and does nothing


@pytest.mark.parametrize("line", lines_of("make"))
def test_make_has_the_target(line):
    done = subprocess.run([*shlex.split(line), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_is_about_something():
    assert len(lines_of("luthier")) >= 8 and len(lines_of("make")) >= 2


def test_the_parameters_of_the_page_are_the_pipelines():
    from pipelines.train_instruments import train_instruments

    named = {flag.partition("=")[0] for line in lines_of("luthier") for flag in re.findall(r"-p '?(\w+=)", line)}
    assert named <= set(train_instruments.component_spec.inputs)


def test_the_cron_job_of_the_page_is_in_the_manifests():
    objects = list(yaml.safe_load_all((ROOT / "manifests" / "base" / "retrain.yaml").read_text()))
    jobs = {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "CronJob"}
    assert set(re.findall(r"cronjob[ /]([\w-]+)", PAGE)) == set(jobs)
    spec = jobs["luthier-retrain"]
    assert spec["suspend"] and spec["concurrencyPolicy"] == "Forbid"
    (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    name, *arguments = container["args"]
    assert name == "submit"
    environment = {each["name"]: each.get("value", "luthier") for each in container["env"]}
    assert environment["KFP_HOST"].startswith("http://ml-pipeline.kubeflow.")
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(Path(environment["KF_PIPELINES_SA_TOKEN_PATH"]).parent) in mounted
    command = importlib.import_module(COMMANDS[name][0]).command
    given = command.make_context(name, [*arguments, "--host", environment["KFP_HOST"]]).params
    assert given["if_changed"] and given["from_environment"]
    # What Kubernetes finds no variable for, it would pass as it is.
    defined = []
    for each in container["env"]:
        assert set(re.findall(r"\$\((\w+)\)", each.get("value", ""))) <= set(defined)
        defined.append(each["name"])
    assert "$(" not in " ".join(arguments)
