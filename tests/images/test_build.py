"""`images/build.sh`: what it asks of an engine. A recorder on the PATH stands in for the engine."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.manifests.rendering import of_kind, pod_templates, render, training_job

ROOT = Path(__file__).parents[2]
_DIGEST = "sha256:" + "a1" * 32
# Prints the digest when it is asked for one, writes it where a push has to; records every call, one argument a line.
_RECORDER = f"""#!/bin/sh
printf '%s\\n' "$@" --- >>"$RECORD"
case "$*" in *inspect*) echo {_DIGEST} ;; esac
if [ "$1 $2" = "push --digestfile" ]; then echo {_DIGEST} >"$3"; fi
"""


@dataclass(frozen=True)
class Build:
    """How the script ended, and the arguments of each call of the engine."""

    code: int
    out: str
    err: str
    calls: list[list[str]]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """What the script reads, with a build directory of the test's own."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in (".git", "images", "pyproject.toml", "manifests"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture
def build(tmp_path, checkout):
    for engine in ("docker", "podman", "buildah"):
        (tmp_path / engine).write_text(_RECORDER)
        (tmp_path / engine).chmod(0o755)

    def run(*images: str, **settings: str) -> Build:
        record = tmp_path / "record"
        record.write_text("")
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RECORD": str(record), **settings}
        done = subprocess.run(
            ["images/build.sh", *images], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        calls = [call.splitlines() for call in record.read_text().split("---\n")[:-1]]
        return Build(done.returncode, done.stdout, done.stderr, calls)

    return run


@pytest.mark.parametrize("engine", ["docker", "podman", "buildah"])
def test_the_base_is_pinned_by_the_digest_that_the_engine_found(build, engine):
    done = build("data", ENGINE=engine)
    assert done.code == 0, done.err
    assert f"PYTHON_DIGEST={_DIGEST}" in done.calls[-1]


def test_a_digest_that_is_given_is_taken_without_asking(build):
    given = "sha256:" + "b2" * 32
    done = build("data", ENGINE="podman", PYTHON_DIGEST=given)
    assert len(done.calls) == 1
    assert f"PYTHON_DIGEST={given}" in done.calls[0]


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_every_date_is_the_commits(build, engine):
    committed = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True).strip()
    arguments = build("data", ENGINE=engine).calls[-1]
    assert arguments[arguments.index("--timestamp") + 1] == committed


def test_the_commit_is_told_to_the_image(build):
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    (told,) = [each for each in build("data").calls[-1] if each.startswith("GIT_COMMIT=")]
    assert told.removeprefix("GIT_COMMIT=").removesuffix("-dirty") == commit


def test_images_are_named_by_registry_and_tag(build):
    done = build("data", "train", ENGINE="buildah", REGISTRY="registry.example.com/audio", TAG="2.0", VARIANT="cpu")
    names = [call[call.index("-t") + 1] for call in done.calls if "-t" in call]
    assert names == ["registry.example.com/audio/luthier-data:2.0", "registry.example.com/audio/luthier-train:2.0"]
    assert "VARIANT=cpu" in done.calls[-1]


def test_what_was_built_is_pushed_when_asked(build):
    settings = {"ENGINE": "podman", "REGISTRY": "registry.example.com", "TAG": "2.0"}
    *push, name = build("data", PUSH="1", **settings).calls[-1]
    assert push[:2] == ["push", "--digestfile"] and name == "registry.example.com/luthier-data:2.0"
    assert not [call for call in build("data", **settings).calls if call[0] == "push"]


def _overlay(folder: Path, resource: str) -> list[dict]:
    (folder / "deploy").mkdir()
    mine = {"resources": [f"../manifests/{resource}"], "components": ["../build/images"]}
    (folder / "deploy" / "kustomization.yaml").write_text(yaml.safe_dump(mine))
    return render(str(folder / "deploy"))


def _used(items: list[dict]) -> dict[str, str]:
    """Returns the images of pods, and those of the settings, by the name of the image."""
    pods = [*pod_templates(items).values(), training_job(items)["spec"]["template"]]
    images = [
        each["image"] for pod in pods for each in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]
    ]
    settings = of_kind(items, "ConfigMap")["luthier-config"]["data"]
    images += [settings["LUTHIER_DATA_IMAGE"], settings["LUTHIER_TRAIN_IMAGE"]]
    found: dict[str, str] = {}
    for image in images:
        name = re.split("[:@]", image.rpartition("/")[2])[0]
        assert found.setdefault(name, image) == image
    return found


@pytest.mark.parametrize("engine", ["docker", "podman", "buildah"])
def test_an_overlay_takes_what_was_pushed_by_digest(build, checkout, engine):
    registry = "registry.example.com:5000/audio"
    done = build("data", "train", "mlflow", ENGINE=engine, REGISTRY=registry, PUSH="1")
    assert done.code == 0, done.err
    expected = {name: f"{registry}/{name}@{_DIGEST}" for name in ("luthier-data", "luthier-train", "luthier-mlflow")}
    used = _used(_overlay(checkout, "base"))
    assert used.pop("postgres") and used == expected
    exports = [f"export LUTHIER_DATA_IMAGE={expected['luthier-data']}"]
    assert done.out.splitlines()[-2:] == [*exports, f"export LUTHIER_TRAIN_IMAGE={expected['luthier-train']}"]
    assert sorted(path.name for path in (checkout / "build").iterdir()) == ["images"]


def test_the_overlay_of_gke_takes_the_digests_too(build, checkout):
    registry = "europe-west4-docker.pkg.dev/my-project/luthier"
    build("data", "train", "mlflow", ENGINE="podman", REGISTRY=registry, PUSH="1")
    used = _used(_overlay(checkout, "overlays/gke"))
    assert used.pop("postgres") and set(used.values()) == {
        f"{registry}/{name}@{_DIGEST}" for name in ("luthier-data", "luthier-train", "luthier-mlflow")
    }


def test_images_that_were_not_pushed_keep_their_tags(build, checkout):
    build("data", "train", ENGINE="podman", TAG="2.0")
    used = _used(_overlay(checkout, "overlays/kind"))
    assert used == {"luthier-data": "luthier-data:2.0", "luthier-train": "luthier-train:2.0"}


def test_a_mirrors_settings_travel_as_secrets(build):
    arguments = build("data", PIP_CONF="/somewhere/pip.conf", CA_CERT="/somewhere/ca.crt").calls[-1]
    assert "id=pip.conf,src=/somewhere/pip.conf" in arguments
    assert "id=ca.crt,src=/somewhere/ca.crt" in arguments


def test_without_a_mirror_there_are_no_secrets(build):
    assert "--secret" not in build("data").calls[-1]


@pytest.mark.parametrize(
    ("images", "settings", "says"),
    [
        (["data"], {"ENGINE": "kaniko"}, "ENGINE is 'kaniko', expected docker, podman or buildah"),
        (["tools"], {}, "there is no image 'tools': expected data, train or mlflow"),
        (["train"], {"VARIANT": "tpu"}, "VARIANT is 'tpu', expected gpu or cpu"),
    ],
)
def test_a_mistake_is_one_line(build, images, settings, says):
    done = build(*images, **settings)
    assert done.code == 2
    assert done.err == f"build.sh: {says}\n"
    assert not list(ROOT.glob("build/images.*"))
