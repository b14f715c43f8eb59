"""The dashboard as Grafana gets it."""

from __future__ import annotations

import json

from manifests.overlays.monitoring import dashboard
from tests.monitoring.prometheus import OVERLAY, panels


def test_the_json_is_what_its_source_makes():
    assert (OVERLAY / "dashboard.json").read_text() == dashboard.build(), "make dashboard"


def test_the_panels_have_numbers_of_their_own_and_do_not_lie_on_each_other():
    board = json.loads((OVERLAY / "dashboard.json").read_text())
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24
        taken |= cells


def test_every_query_asks_the_chosen_data_source():
    assert all(panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for panel in panels())
