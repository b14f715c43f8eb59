"""Kubeflow component: registers the models of one family."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.DATA, install_kfp_package=False)
def register(family: str, training_uris: list[str], tracking_uri: str, pipeline_run: str) -> str:
    """Registers a family's models; the best by validation loss is its champion. Returns the champion's URI."""
    from components.register import step
    from components.telemetry.task import task

    with task(f"register {family}") as running:
        result = step.register(training_uris, tracking_uri, lineage={"pipeline_run": pipeline_run})
        running.found(result.text())
        return result.champion_uri
