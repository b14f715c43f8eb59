"""Every object is one that Kubernetes 1.36 accepts, with no field that it would not know."""

from __future__ import annotations

import kubernetes_validate
import pytest

from tests.manifests.rendering import OVERLAYS, all_objects

_KUBERNETES = "1.36"
# Their kinds come with the operators' own definitions, which are not in Kubernetes' schemas.
_OPERATORS = {"kueue.x-k8s.io": "v1beta2", "monitoring.coreos.com": "v1"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_objects_are_valid(folder):
    for item in all_objects(folder):
        group, _, version = item["apiVersion"].rpartition("/")
        if group in _OPERATORS:
            assert version == _OPERATORS[group]
        else:
            kubernetes_validate.validate(item, _KUBERNETES, strict=True)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_names_are_unique(folder):
    named = [(item["kind"], item["metadata"]["name"]) for item in all_objects(folder) if "name" in item["metadata"]]
    assert len(named) == len(set(named))


def test_a_misspelled_field_is_told():
    job = next(item for item in all_objects("base") if item["kind"] == "Job")
    misspelled = {**job, "spec": {**job["spec"], "backofLimit": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="backofLimit"):
        kubernetes_validate.validate(misspelled, _KUBERNETES, strict=True)
