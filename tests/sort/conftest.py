"""Places to sort from and to, and the sort of one split."""

import pytest

from components import storage


@pytest.fixture(params=["local to local", "local to gs", "gs to gs", "gs to local"])
def places(request, tmp_path):
    """Source folder and output root, on local disk and in Cloud Storage."""
    kinds = request.param.split(" to ")
    bucket = request.getfixturevalue("gcs").bucket() if "gs" in kinds else ""
    roots = {"local": str(tmp_path), "gs": bucket}
    return tuple(storage.join(roots[kind], name) for kind, name in zip(kinds, ("source", "out"), strict=True))
