"""Kubeflow component: converts a folder of recordings to records; passes on a source that already has records."""

from kfp import dsl

from components.core import environment


@dsl.component(base_image=environment.data_image(), install_kfp_package=False)
def prepare(source: str, records_uri: str, families: list[str]) -> str:
    """Converts the recordings of some families (an empty list: of all) to records. Returns the URI of the records."""
    from components.nsynth.recordings import is_recordings
    from components.prepare import step
    from components.telemetry.task import task

    with task("prepare") as running:
        if not is_recordings(source):
            running.found(f"{source} already has records")
            return source
        result = step.prepare([source], records_uri, families=families)
        running.found(result.summary(), advice=result.warnings())
        return records_uri
