"""README.md, CONTRIBUTING.md and docs: commands have existing options, links lead to existing files and headings."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from components.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "images/README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> list[str]:
    """Returns the complete `luthier` lines of a page."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [" ".join(line.split()) for line in lines if re.match(r"luthier +[a-z]", line) and "..." not in line]


def _anchor(heading: str) -> str:
    """Returns GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("command", sorted({command for page in PAGES for command in commands(page)}))
def test_luthier_accepts_the_command(command, monkeypatch):
    monkeypatch.setenv("KFP_HOST", "http://localhost:8080")
    words = shlex.split(re.sub(r" > \S+$", "", command), comments=True)  # without a redirection of the output
    module = importlib.import_module(COMMANDS[words[1]].module)
    module.command.make_context(words[1], words[2:])  # parses, and does nothing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in map(_anchor, re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)), target
