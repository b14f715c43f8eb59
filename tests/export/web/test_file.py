"""The file that the command writes, and how it looks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from components.export.web.page import ARTEFACT_NAME
from components.export.web.step import PAGE_NAME
from tests.browser import new_page
from tests.export.web.pages import REPOSITORY, open_page

_SOURCE = REPOSITORY / "web"


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_narrow_screens_in_both_schemes(browser: Browser, page_path: Path, width: int, scheme: str) -> None:
    page = new_page(browser, viewport={"width": width, "height": 780}, color_scheme=scheme)
    open_page(page, page_path)
    for name in ("Keys", "MIDI", "Microphone", "File"):
        assert page.get_by_text(name, exact=True).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", background)[0]) < 64) == (scheme == "dark")
    smallest = "Math.min(...[...document.querySelectorAll('#keyboard .white')].map(key => key.clientWidth))"
    assert page.evaluate(smallest) >= 30
    page.close()


def test_by_the_command_with_what_is_in_the_page(luthier: Callable, beginners: dict[str, str], tmp_path: Path) -> None:
    models = [each for synth in ("harmonic", "harmonic") for each in ("--model", beginners[synth])]
    finished = luthier("export", "--format", "web", *models, "--out", tmp_path / "out")
    assert finished.code == 0, finished.err
    described = json.loads((tmp_path / "out" / "instrument.json").read_text())
    assert [each["name"] for each in described["models"]] == ["flute, harmonic 1", "flute, harmonic 2"]
    assert "| flute, harmonic 2 |" in (tmp_path / "out" / "README.md").read_text()
    page = (tmp_path / "out" / PAGE_NAME).read_text()
    assert (
        page.count('class="model"') == 2
        and "http://" not in page
        and "https://" not in page.replace("https:// only", "")
    )


def test_several_models_are_for_a_page_alone(refused: Callable, beginners: dict[str, str], tmp_path: Path) -> None:
    models = ["--model", beginners["harmonic"], "--model", beginners["wavetable"]]
    assert "--format onnx takes one --model: got 2" in refused(
        "export", "--format", "onnx", *models, "--out", tmp_path / "out"
    )


def test_the_artefact_is_built_from_this_source() -> None:
    names = [f"{folder}/{path.name}" for folder in ("src", "kernel") for path in (_SOURCE / folder).iterdir()]
    digest = hashlib.sha256()
    for name in sorted([*names, "build.mjs", "package-lock.json"]):
        digest.update(f"{name}\n".encode() + (_SOURCE / name).read_bytes())
    artefact = (REPOSITORY / "components/export/web" / ARTEFACT_NAME).read_text(encoding="utf-8")
    assert f'<meta name="source" content="{digest.hexdigest()}">' in artefact, "run make web"
