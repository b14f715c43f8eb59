"""The alerts: promtool's unit tests of them, and whether a person who gets one knows what to do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.prometheus import alerts, promtool, rule_groups

CASES = Path(__file__).with_name("rules_test.yaml")
PAGE = Path(__file__).parents[2] / "docs/monitoring.md"
NAMES = [alert["alert"] for alert in alerts()]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rule_groups()))
    return path


def test_prometheus_takes_the_rules(rules):
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", rules)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_fire_when_they_should_and_only_then(rules):
    shutil.copy(CASES, rules.parent)
    done = promtool("test", "rules", rules.parent / CASES.name)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def _expectations(name: str) -> list[tuple[str, list[str]]]:
    """Returns each case of an alert: how it is called, and the labels of the alerts that fire in it."""
    found = []
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        if case["name"].startswith(f"{name} "):
            samples = [sample for query in case["promql_expr_test"] for sample in query.get("exp_samples", [])]
            found.append((case["name"], [sample["labels"] for sample in samples]))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_case_where_it_fires_and_one_where_it_does_not(name):
    cases = _expectations(name)
    firing = [labels for title, labels in cases if title.startswith(f"{name} fires: ")]
    silent = [labels for title, labels in cases if title.startswith(f"{name} is silent: ")]
    assert firing and silent and len(firing) + len(silent) == len(cases)
    assert all(any(f'alertname="{name}"' in label for label in labels) for labels in firing)
    assert not any(silent)


@pytest.mark.parametrize("alert", alerts(), ids=NAMES)
def test_each_says_what_happened_and_what_to_do(alert: dict[str, Any]):
    said = alert["annotations"]
    assert set(said) == {"summary", "description", "runbook_url"}
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert "`kubectl -n {{ $labels.namespace }} " in said["description"]
    assert said["runbook_url"] == f"https://luthier.dev/docs/monitoring.md#{alert['alert'].lower()}"
    assert f"\n### {alert['alert']}\n" in PAGE.read_text()


@pytest.mark.parametrize("alert", alerts(), ids=NAMES)
def test_each_names_only_labels_that_it_has(alert: dict[str, Any]):
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values())))
    for _, labels in _expectations(alert["alert"]):
        assert all(named <= set(re.findall(r'(\w+)="[^"]+"', label)) for label in labels)


def test_the_page_explains_no_alert_that_there_is_not():
    headings = re.findall(r"^### (Luthier\w+)$", PAGE.read_text(), re.MULTILINE)
    assert headings == NAMES
