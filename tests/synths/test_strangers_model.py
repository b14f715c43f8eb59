"""A model that a stranger made: what is wrong with it is one line, and nothing in it is carried out."""

from __future__ import annotations

import inspect
import json
import re
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import google_crc32c
import h5py
import numpy as np
import pytest
import requests

from components import storage
from components.artifacts.model_card import ModelCard, local_copy
from components.config.parameters import PARAMETERS
from components.core.errors import InputError
from components.synths.ddsp_imports import tf
from components.synths.instrument import Instrument, save
from components.synths.model import build, config_text, configured
from components.synths.weights import load_weights


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, saved as a training saves it."""
    tf.keras.utils.set_random_seed(9)
    folder, config = tmp_path_factory.mktemp("good"), config_text("harmonic", "smoke")
    with configured(config):
        save(build(), ModelCard("string", "harmonic"), config, folder)
    return folder


def _forged(good: Path, folder: Path, changed: dict[str, Any] | None = None, line: str = "") -> str:
    """Copies the harmonic model with another configuration or card; its checksums fit."""
    copied = shutil.copytree(good, folder)
    with (copied / "operative_config.gin").open("a") as stream:
        stream.write(f"\n{line}\n")
    card = json.loads((copied / "model.json").read_text()) | (changed or {})
    card["crc32c"] = {
        name: storage.crc32c_base64(google_crc32c.value((copied / name).read_bytes()))
        for name in ("operative_config.gin", "weights.h5")
    }
    (copied / "model.json").write_text(json.dumps(card))
    return str(copied)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import evil_module", "got an import statement"),
        ("include '/etc/passwd'", "got an include statement"),
        ("Autoencoder.decoder = @os.system()", "Autoencoder.decoder is @os.system"),
        ("luthier.RnnFcDecoder.layers_per_stack = 100000", "layers_per_stack is 100000: expected a whole"),
        ("luthier.SpectralLoss.fft_sizes = (2048000000,)", "fft_sizes is"),
        ("train.seed = " + "[" * 5000, "nested brackets"),
    ],
    ids=["import", "include", "reference", "layers", "sizes", "brackets"],
)
@pytest.mark.parametrize("is_remote", [False, True])
def test_the_configuration_of_a_strangers_model_is_not_executed(
    good, tmp_path, monkeypatch, gcs, line, said, is_remote
):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    uri = _forged(good, tmp_path / "forged", line=line)
    if is_remote:
        remote = f"{gcs.bucket()}/model"
        storage.upload_tree(uri, remote)
        uri = remote
    with pytest.raises(InputError, match=said) as refused:
        Instrument.load(uri)
    assert uri in str(refused.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"family": "../../x"},
        {"family": "/tmp/x"},
        {"family": "strings"},
        {"synth": "sinusoidal"},
        {"synth": "../x"},
        {"preset": "../../x"},
        {"steps": 10**400},
        {"sample_rate_hz": 8000},
        {"schema_version": 0},
        {"f0_hz": {"p5": 0.0, "median": 0.0, "p95": 0.0}},
        {"f0_hz": {"p5": -300.0, "median": -284.0, "p95": -100.0}},
        {"loudness_db": {"p5": float("nan"), "median": 0.0, "p95": 1.0}},
        {"loudness_db": {"p5": 0.0, "median": -1.0, "p95": 1.0}},
    ],
    ids=lambda changed: str(changed)[:30],
)
def test_a_strangers_card_is_checked_before_anything_is_made_of_it(good, tmp_path, changed):
    with pytest.raises(InputError) as refused:
        Instrument.load(_forged(good, tmp_path / "forged", changed))
    assert len(str(refused.value)) < 600


def test_only_the_files_that_the_card_names_are_fetched(good, tmp_path, gcs, monkeypatch):
    remote, scratch = f"{gcs.bucket()}/model", tmp_path / "scratch"
    scratch.mkdir()
    storage.upload_tree(good, remote)
    url = f"{gcs.endpoint}/upload/storage/v1/b/{remote.split('/')[2]}/o"
    for name in (f"model/{tmp_path}/escaped", "model/beside", "model/a\\b"):
        requests.post(url, params={"uploadType": "media", "name": name}, data=b"x", timeout=20).raise_for_status()
    copied = local_copy(remote, scratch)
    assert {path.name for path in copied.iterdir()} == {"model.json", "operative_config.gin", "weights.h5"}
    assert {path.name for path in tmp_path.iterdir()} == {"scratch"}


NETWORK = SimpleNamespace(weights=[np.zeros((100, 10), np.float32)])


def _link(file):
    file["evil"] = h5py.ExternalLink("/etc/other.h5", "/x")


def _external(file):
    file.create_dataset("evil", (100,), dtype="f4", external=[("/etc/passwd", 0, 400)])


def _virtual(file):
    layout = h5py.VirtualLayout((4,), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
    file.create_virtual_dataset("evil", layout)


def _bomb(file):
    file.create_dataset("evil", (10**11,), dtype="f4", chunks=(10**6,), compression="gzip")


def _chunked(file):
    # A filter of HDF5 itself; the chunk has 4 GB, the array 40 bytes.
    file.create_dataset("evil", (10,), dtype="f4", maxshape=(None,), chunks=(10**9,), fletcher32=True)


def _text(file):
    file["evil"] = "text"


@pytest.mark.parametrize("forge", [_link, _external, _virtual, _bomb, _chunked, _text])
def test_weights_that_are_not_plain_arrays_are_refused(good, tmp_path, forge):
    path = Path(shutil.copy(good / "weights.h5", tmp_path))
    with h5py.File(path, "a") as file:
        forge(file)
    with pytest.raises(InputError, match=r"the weights of the model at 'here' cannot be used: .*'?evil|shorter"):
        load_weights(NETWORK, path, "here")


def _number(file):
    file.attrs["evil"] = 1.0


def _list(file):
    values = np.empty(1, object)
    values[0] = np.arange(2, dtype=np.int32)
    file["autoencoder"].attrs.create("evil", values, dtype=h5py.vlen_dtype(np.int32))


def _compound(file):
    file.attrs["evil"] = np.zeros(1, [("a", "i4")])


def _wide(file):
    file.attrs.create("evil", b"", dtype="S70000000")


def _one_text_many_times(file):
    """A text of a megabyte, and a thousand references to it: a gigabyte in memory."""
    file.attrs.create("evil", [b"x" * 1_000_000] + [b""] * 999, dtype=h5py.string_dtype())
    file.flush()
    path = Path(file.filename)
    file.close()
    content = path.read_bytes()
    start = re.search(
        re.escape((1_000_000).to_bytes(4, "little")) + rb".{8}\x01\x00\x00\x00", content, re.DOTALL
    ).start()
    repeated = content[start : start + 16] * 1000
    path.write_bytes(content[:start] + repeated + content[start + len(repeated) :])


@pytest.mark.parametrize("forge", [_number, _list, _compound])
def test_attributes_that_are_not_texts_are_refused(tmp_path, forge):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("autoencoder")
        forge(file)
    with pytest.raises(InputError, match=r"'here' cannot be used: the attribute 'evil' is not a text; copy the model"):
        load_weights(NETWORK, path, "here")


@pytest.mark.parametrize(("forge", "version"), [(_wide, "latest"), (_one_text_many_times, "earliest")])
def test_attributes_that_would_fill_the_memory_are_refused_before_they_are_read(tmp_path, forge, version):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w", libver=version) as file:
        forge(file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"'here' cannot be used: its attributes may take more than 67,108,864 bytes"):
        load_weights(SimpleNamespace(weights=[np.zeros((10, 1_000_000))]), path, "here")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_file_that_is_too_large_for_the_network_is_not_opened(tmp_path):
    path = tmp_path / "weights.h5"
    with path.open("wb") as stream:
        stream.truncate(17 << 20)
    with pytest.raises(InputError, match=r"has 17,825,792 bytes, expected 16,\d{3},\d{3} at most for this network"):
        load_weights(NETWORK, path, "here")


def test_every_parameter_is_declared_with_its_values():
    """The declarations of config/parameters.py have the parameters that the configurables themselves have."""
    from components.synths.ddsp_imports import gin

    for name, declared in PARAMETERS.items():
        if name == "gate":
            continue
        configurable = gin.get_configurable(name)
        function = configurable.__init__ if inspect.isclass(configurable) else configurable
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        existing = {each.name for each in inspect.signature(function).parameters.values() if each.kind in kinds}
        assert declared.keys() <= existing, name
        inputs = {"self", "x", "freqs", "tables", "amplitudes", "frequency_envelopes", "amplitude_envelopes", "inputs"}
        assert existing - inputs <= declared.keys(), name
