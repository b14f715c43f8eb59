"""Kubeflow components of the sort: the shares of the shards, the workers that copy them, and the commit."""

from typing import NamedTuple

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def group_shards(records_uri: str, sorted_uri: str, max_workers: int) -> list[str]:
    """Divides the shards into shares of about equal bytes, one for each worker; into one when all is sorted."""
    from components.sort import parallel_sort
    from components.telemetry.task import task

    with task("group-shards") as running:
        shares = parallel_sort.plan_shares(records_uri, sorted_uri, max_workers)
        running.found(f"{len(shares)} worker{'s' if len(shares) > 1 else ''}")
    return shares


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def sort(sorted_uri: str, share: str):
    """Sorts one share of the shards by instrument family."""
    from components.sort import parallel_sort
    from components.telemetry import metrics
    from components.telemetry.task import task

    with task(f"sort {share}") as running:
        metrics.serve_if_asked()
        running.found(f"{parallel_sort.copy_share(sorted_uri, share)} units copied")


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def commit_sorted_set(sorted_uri: str, families: list[str]) -> NamedTuple(
    "CommitOutputs", families=list[str], data_fingerprint=str
):
    """Checks that no record was lost and writes the manifests, which make the sorted set readable."""
    from typing import NamedTuple

    from components.sort import parallel_sort
    from components.telemetry.task import task

    with task("commit-sorted-set") as running:
        result = parallel_sort.commit_sorted_set(sorted_uri)
        found = result.families(families)
        running.found(f"{result.summary()}: {', '.join(found)}", families=found)
    outputs = NamedTuple("CommitOutputs", [("families", list), ("data_fingerprint", str)])
    return outputs(found, result.fingerprint)
