"""The data image has only the libraries of requirements/data.txt; the environment of these tests has all."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ["core", "storage", "kubernetes", "nsynth", "audio", "telemetry", "config", "artifacts", "registry", "plan"]
STEPS = ["sort", "launch", "prepare"]
PIPELINE = ["plan_component", "plan_run", "train_component", "train_planned", "retries"]
FILES = [
    *(file for folder in (*FOLDERS, *STEPS) for file in (ROOT / "components" / folder).glob("*.py")),
    *(ROOT / "pipelines" / f"{name}.py" for name in PIPELINE),
]


def top_level_imports(file):
    """Returns the libraries that a module imports when it is imported itself; not those inside of functions."""
    found = set()
    for statement in ast.parse(file.read_text()).body:
        if isinstance(statement, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            found.add((statement.module or "").partition(".")[0])
    return found - {"components", "pipelines"} - sys.stdlib_module_names


@pytest.fixture(scope="module")
def in_the_image():
    lock = (ROOT / "requirements" / "data.txt").read_text().splitlines()
    names = {line.partition("==")[0].partition("[")[0].strip() for line in lock if "==" in line and line[0].isalpha()}
    assert {"kfp", "mlflow-skinny", "numpy"} <= names
    return {
        module
        for module, distributions in packages_distributions().items()
        if names & {name.lower().replace("_", "-").replace(".", "-") for name in distributions}
    }


def test_its_modules_import_only_what_it_has(in_the_image):
    missing = {
        f"{file.relative_to(ROOT)}: {library}" for file in FILES for library in top_level_imports(file) - in_the_image
    }
    assert missing == set()
