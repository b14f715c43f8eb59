"""The package as Kubernetes objects, against the definitions of Kubeflow Pipelines 2.17; and its version's name."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from jsonschema import Draft4Validator
from kfp.pipeline_spec import pipeline_spec_pb2

from components.core import git as commits
from pipelines import package

SCHEMAS = Path(__file__).parent / "schemas"
KEEPS_ALL = "x-kubernetes-preserve-unknown-fields"
DIGEST = "@sha256:" + "0" * 64


def strict(schema):
    """The schema as `kubectl apply` with strict validation has it: a field it does not know is a mistake."""
    closed = {key: strict(value) if isinstance(value, dict) else value for key, value in schema.items()}
    if "properties" in schema and not schema.get(KEEPS_ALL):
        closed.setdefault("additionalProperties", False)
    return closed


def check(document, crd):
    (version,) = yaml.safe_load((SCHEMAS / f"{crd}-crd-2.17.0.yaml").read_text())["spec"]["versions"]
    assert document["apiVersion"].endswith(version["name"])
    Draft4Validator(strict(version["schema"]["openAPIV3Schema"])).validate(document)


@pytest.fixture
def native(tmp_path, monkeypatch):
    monkeypatch.setenv("LUTHIER_GIT_COMMIT", "0123456789abcdef0123")
    return list(yaml.safe_load_all(package.compile_native(tmp_path).read_text()))


def test_both_objects_fit_the_definitions(native):
    pipeline, version = native
    check(pipeline, "pipelines")
    check(version, "pipelineversions")
    assert pipeline["metadata"]["name"] == version["spec"]["pipelineName"] == "train-instruments"
    assert "DDSP" in pipeline["spec"]["description"]


def test_the_definitions_would_notice_a_wrong_field(native):
    _, version = native
    version["spec"]["pipelineNane"] = "x"
    with pytest.raises(Exception, match="pipelineNane"):
        check(version, "pipelineversions")


def test_the_version_holds_the_same_pipeline_as_the_package(native, tmp_path):
    _, version = native
    compiled, platform = yaml.safe_load_all(package.compile_to(tmp_path).read_text())
    assert version["spec"]["pipelineSpec"] == compiled
    assert version["spec"]["platformSpec"] == platform
    json_format.ParseDict(version["spec"]["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())


def test_the_version_is_named_after_the_commit_and_the_content(native, tmp_path):
    _, version = native
    name = package.version_of(tmp_path / package.PIPELINE_FILE)
    assert re.fullmatch(r"0123456789ab-[0-9a-f]{8}", name)
    assert version["spec"]["displayName"] == name
    assert version["metadata"]["name"] == f"train-instruments-{name}"
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", version["metadata"]["name"])


def test_other_content_is_another_version(tmp_path, monkeypatch):
    plain = package.version_of(package.compile_to(tmp_path / "plain"))
    assert package.version_of(package.compile_to(tmp_path / "again")) == plain
    assert package.version_of(package.compile_to(tmp_path / "dropdowns", dropdowns=True)) != plain


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git repository that the code seems to be in."""
    monkeypatch.delenv("LUTHIER_GIT_COMMIT", raising=False)
    monkeypatch.setattr(commits, "__file__", str(tmp_path / "components" / "git.py"))
    (tmp_path / "components").mkdir()
    (tmp_path / "file").write_text("a")

    def git(*arguments):
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    git("tag", "-a", "v9", "-m", "a tag is not a commit")
    return tmp_path, git("rev-parse", "HEAD")[:12]


def test_in_a_checkout_the_commit_is_gits_and_changes_show(checkout, tmp_path_factory):
    folder, commit = checkout
    compiled = package.compile_to(tmp_path_factory.mktemp("package"))
    assert package.version_of(compiled).startswith(f"{commit}-") and "dirty" not in package.version_of(compiled)
    (folder / "file").write_text("b")
    assert package.version_of(compiled).startswith(f"{commit}-dirty-")


def test_the_names_of_components_do_not_depend_on_the_compilers_numbers():
    stable = package._pipeline(False).pipeline_spec
    shuffled = pipeline_spec_pb2.PipelineSpec()
    text = json_format.MessageToJson(stable)
    names = sorted(stable.components, reverse=True)
    for number, name in enumerate(names):
        text = text.replace(f'"{name}"', f'"comp-x-{number}"')
    json_format.Parse(text, shuffled)
    assert shuffled != stable
    package._name_components(shuffled)
    assert shuffled == stable


def test_images_without_a_digest_are_named_in_one_line(luthier, tmp_path, monkeypatch):
    finished = luthier("compile", "--out", tmp_path, "--native")
    assert finished.code == 0
    assert finished.err.startswith("luthier: warning: ") and finished.err.count("\n") == 1
    assert "LUTHIER_DATA_IMAGE" in finished.err
    for name in ("DATA", "TRAIN"):
        monkeypatch.setenv(f"LUTHIER_{name}_IMAGE", f"registry.example/luthier-{name.lower()}{DIGEST}")
    assert luthier("compile", "--out", tmp_path, "--native").err == ""


def test_dropdowns_offer_the_presets(luthier, tmp_path):
    finished = luthier("compile", "--out", tmp_path, "--dropdowns")
    compiled = next(yaml.safe_load_all(Path(finished.out.strip()).read_text()))
    parameters = compiled["root"]["inputDefinitions"]["parameters"]
    assert parameters["preset"]["literals"] == ["smoke", "seed", "standard", "room", "vst"]
    assert parameters["preset"]["defaultValue"] in parameters["preset"]["literals"]
    json_format.ParseDict(compiled, pipeline_spec_pb2.PipelineSpec())


@pytest.mark.parametrize("out", ["/dev/null", "/dev/null/package", "/proc/package"])
def test_where_no_package_can_be_written_is_the_users_to_change(refused, out):
    assert f"cannot write '{out}'" in refused("compile", "--out", out)
