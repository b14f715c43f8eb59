"""The installation that the tests of a real cluster share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.cluster import overlay
from tests.cluster.cluster import Cluster
from tests.cluster.overlay import Images
from tests.cluster.trainings import PULL_S, START_S, Launches


@pytest.fixture(scope="session")
def images() -> Images:
    found = [os.environ.get(name, "") for name in ("LUTHIER_DATA_IMAGE", "LUTHIER_TRAIN_IMAGE")]
    if not all(found):
        pytest.fail(
            "say which images to test, as the cluster's nodes know them: LUTHIER_DATA_IMAGE, LUTHIER_TRAIN_IMAGE"
        )
    return Images(*found)


@pytest.fixture(scope="session")
def cluster(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """overlays/kind in a namespace of its own, with the sample notes in its bucket."""
    installed = Cluster(f"luthier-test-{uuid.uuid4().hex[:8]}")
    folder = overlay.write(tmp_path_factory.mktemp("overlay"), installed.namespace, images, installed.has_gpus())
    try:
        installed.apply(folder)
        installed.wait_for_end("load-samples", PULL_S)
        yield installed
    finally:
        installed.delete_namespace()


@pytest.fixture(scope="session")
def data(cluster: Cluster, images: Images) -> str:
    """The sample notes, sorted by a Job."""
    name = cluster.create_job(overlay.job("sort", images.data))
    cluster.wait_for_end(name, START_S)
    log = cluster.job_log(name)
    assert "string" in log and "keyboard" in log, log
    return "gs://luthier/sorted"


@pytest.fixture
def launched(cluster: Cluster, images: Images, data: str) -> Iterator[Launches]:
    """Launches trainings; they are cancelled after the test."""
    launches = Launches(cluster, images, data)
    yield launches
    launches.cancel()
