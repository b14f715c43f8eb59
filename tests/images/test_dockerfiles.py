"""The Dockerfiles: what every image promises, as their text says it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "images").glob("*/Dockerfile"))
_LABELS = ("title", "description", "licenses", "source", "revision", "version", "created", "base.name", "base.digest")


def _stages(dockerfile: Path) -> list[list[tuple[str, str]]]:
    """Returns the instructions of each stage; those before the first FROM belong to none and are left out."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.M))
    stages: list[list[tuple[str, str]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((name, rest.strip()))
    return stages


def _of(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def test_there_is_one_image_for_light_steps_one_for_models_and_one_for_the_registry():
    assert [path.parent.name for path in DOCKERFILES] == ["data", "mlflow", "train"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
class TestEveryImage:
    def test_both_stages_stand_on_the_base_that_is_named_by_digest(self, dockerfile):
        builder, final = _stages(dockerfile)
        base = "${PYTHON_IMAGE}${PYTHON_DIGEST:+@${PYTHON_DIGEST}}"
        assert _of(builder, "FROM") == [f"{base} AS builder"]
        assert _of(final, "FROM") == [base]

    def test_the_base_is_the_one_that_the_script_resolves(self, dockerfile):
        (default,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile.read_text(), flags=re.M)
        (resolved,) = re.findall(r"PYTHON_IMAGE:=([^}]+)", (ROOT / "images/build.sh").read_text())
        assert default == resolved

    def test_nothing_runs_in_the_final_stage_so_that_nothing_is_left_by_it(self, dockerfile):
        final = _stages(dockerfile)[-1]
        assert not _of(final, "RUN") and not _of(final, "ADD") and not _of(final, "HEALTHCHECK")

    def test_the_user_is_a_number_that_is_not_root(self, dockerfile):
        assert _of(_stages(dockerfile)[-1], "USER") == ["10001:10001"]

    def test_home_and_work_directory_can_be_written_when_the_root_cannot(self, dockerfile):
        final = _stages(dockerfile)[-1]
        assert _of(final, "WORKDIR") == ["/tmp"]
        assert "HOME=/tmp" in " ".join(_of(final, "ENV"))

    def test_every_label_is_there(self, dockerfile):
        (labels,) = _of(_stages(dockerfile)[-1], "LABEL")
        assert re.findall(r"org\.opencontainers\.image\.([a-z.]+)=", labels) == list(_LABELS)

    def test_every_argument_of_a_label_is_declared_in_its_stage(self, dockerfile):
        final = _stages(dockerfile)[-1]
        declared = {each.partition("=")[0] for rest in _of(final, "ARG") for each in rest.split()}
        used = set(re.findall(r"\$\{([A-Z_]+)\}", " ".join(_of(final, "LABEL") + _of(final, "ENV"))))
        assert used <= declared

    def test_what_it_copies_exists_and_is_in_the_build_context(self, dockerfile):
        allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        for stage in _stages(dockerfile):
            for copied in _of(stage, "COPY"):
                for source in () if copied.startswith("--from") else copied.split()[:-1]:
                    assert (ROOT / source).exists(), source
                    assert any(Path(source).match(pattern) for pattern in allowed), source

    def test_secrets_are_mounted_where_packages_are_fetched_and_nowhere_else(self, dockerfile):
        builder, _ = _stages(dockerfile)
        fetching = [rest for rest in _of(builder, "RUN") if "libraries" in rest]
        assert len(fetching) == 1 and "id=pip.conf,target=/etc/pip.conf" in fetching[0]
        assert not any("secret" in rest for rest in _of(builder, "RUN") if rest not in fetching)


def test_packages_are_fetched_by_hash():
    fetching = re.findall(r"bin/pip (?:install|wheel).*", (ROOT / "images/install.sh").read_text())
    locked = [line for line in fetching if " -r " in line]
    assert len(locked) == 2
    assert all("--require-hashes" in line and "--no-deps" in line for line in locked)
    assert all("--no-index" in line for line in fetching if line not in locked)
