"""What the tests of the pipeline share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipelines.kfp_api import KfpApi, serving


@pytest.fixture
def kfp_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[KfpApi]:
    """A stand-in for Kubeflow Pipelines, at which KFP_HOST points, and which is asked often."""
    monkeypatch.setattr("pipelines.submit.follow._POLL_S", 0.01)
    with serving(KfpApi()) as api:
        monkeypatch.setenv("KFP_HOST", api.host)
        yield api
