"""Kubeflow components of the sort: the groups of shards, their workers, and the seal."""

from typing import NamedTuple

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def group_shards(records_uri: str, sorted_uri: str, max_workers: int) -> list[str]:
    """Groups the records' shards by bytes, one group for each worker; one group that is empty when all is sorted."""
    from components.sort import fleet
    from components.telemetry.task import task

    with task("group-shards") as running:
        shares = fleet.begin(records_uri, sorted_uri, max_workers)
        running.found(f"{len(shares)} worker{'s' if len(shares) > 1 else ''}")
    return shares


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def sort(sorted_uri: str, share: str):
    """Sorts one group of shards by instrument family."""
    from components.sort import fleet
    from components.telemetry import metrics
    from components.telemetry.task import task

    with task(f"sort {share}") as running:
        metrics.serve_if_asked()
        running.found(f"{fleet.work(sorted_uri, share)} units copied")


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def seal(sorted_uri: str, families: list[str]) -> NamedTuple("SealOutputs", families=list[str], data_fingerprint=str):
    """Checks that nothing was lost and writes the manifests, which make the sorted set count."""
    from typing import NamedTuple

    from components.sort import fleet
    from components.telemetry.task import task

    with task("seal") as running:
        result = fleet.finish(sorted_uri)
        found = result.families(families)
        running.found(f"{result.summary()}: {', '.join(found)}", families=found)
    outputs = NamedTuple("SealOutputs", [("families", list), ("data_fingerprint", str)])
    return outputs(found, result.fingerprint)
