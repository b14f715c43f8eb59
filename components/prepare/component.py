"""Kubeflow component: a folder of recordings becomes records; a source that has records already is passed on."""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def prepare(source: str, records_uri: str, families: list[str]) -> str:
    """Makes records of the recordings of some families, of all for none. Returns where the records are."""
    from components.nsynth.recordings import is_recordings
    from components.prepare import step
    from components.telemetry.task import task

    with task("prepare") as running:
        if not is_recordings(source):
            running.found(f"{source} has records already")
            return source
        result = step.prepare([source], records_uri, families=families)
        running.found(result.summary(), advice=result.advice)
        return records_uri
