"""Kubeflow component of the sort: a worker, which copies one share of the shards of a large source."""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def sort(sorted_uri: str, share: str):
    """Sorts one share of the shards by instrument family; the last worker commits the sorted set."""
    from components.core.text import counted
    from components.sort import parallel_sort
    from components.telemetry import metrics
    from components.telemetry.task import task

    with task(f"sort {share}") as running:
        metrics.serve_if_asked()
        running.found(f"copied {counted(parallel_sort.copy_share(sorted_uri, share), 'unit')}")
        parallel_sort.commit_complete_splits(sorted_uri)
