"""Uploads the package as a version of the pipeline in Kubeflow, unless the same version exists."""

from __future__ import annotations

from pathlib import Path

from kfp_server_api import V2beta1Experiment, V2beta1Pipeline, V2beta1PipelineVersionReference

from pipelines.kubeflow.client import Kubeflow, all_pages, api_errors, name_filter
from pipelines.package import PIPELINE_NAME, object_name, version_of


def find_pipeline(kubeflow: Kubeflow) -> str | None:
    """Returns the id of the pipeline in Kubeflow; None where there is none."""
    call = kubeflow.api.pipelines.pipeline_service_list_pipelines
    with api_errors("look for the pipeline"):
        found = all_pages(call, "pipelines", namespace=kubeflow.namespace, filter=name_filter(PIPELINE_NAME))
        return next((each.pipeline_id for each in found), None)


def ensure_version(kubeflow: Kubeflow, package: Path) -> V2beta1PipelineVersionReference:
    """Uploads a package unless its version exists.

    Args:
        kubeflow: The API.
        package: The YAML file.

    Returns:
        The reference for a run or a schedule.
    """
    version, pipeline_id = version_of(package), find_pipeline(kubeflow) or _create_pipeline(kubeflow)
    version_id = _find_version(kubeflow, pipeline_id, version)
    if version_id is None:
        with api_errors(f"upload the pipeline's version '{version}'"):
            uploaded = kubeflow.api._upload_api.upload_pipeline_version(
                str(package), name=object_name(version), display_name=version, pipelineid=pipeline_id
            )
            version_id = uploaded.pipeline_version_id
    return V2beta1PipelineVersionReference(pipeline_id=pipeline_id, pipeline_version_id=version_id)


def find_version(kubeflow: Kubeflow, package: Path) -> V2beta1PipelineVersionReference | None:
    """Returns the reference of a package's version; None where it is not uploaded yet."""
    pipeline_id = find_pipeline(kubeflow)
    version_id = _find_version(kubeflow, pipeline_id, version_of(package)) if pipeline_id else None
    if version_id is None:
        return None
    return V2beta1PipelineVersionReference(pipeline_id=pipeline_id, pipeline_version_id=version_id)


def _find_version(kubeflow: Kubeflow, pipeline_id: str, version: str) -> str | None:
    call = kubeflow.api.pipelines.pipeline_service_list_pipeline_versions
    with api_errors("look for the pipeline's version"):
        found = all_pages(call, "pipeline_versions", pipeline_id=pipeline_id, filter=name_filter(version))
        return next((each.pipeline_version_id for each in found), None)


def _create_pipeline(kubeflow: Kubeflow) -> str:
    # Not by upload_pipeline, whose first version would have the pipeline's name.
    from pipelines.train_instruments import train_instruments

    pipeline = V2beta1Pipeline(
        name=PIPELINE_NAME,
        display_name=PIPELINE_NAME,
        description=train_instruments.description,
        namespace=kubeflow.namespace,
    )
    with api_errors("create the pipeline"):
        return str(kubeflow.api.pipelines.pipeline_service_create_pipeline(pipeline=pipeline).pipeline_id)


def find_experiment(kubeflow: Kubeflow, name: str) -> str | None:
    """Returns the id of an experiment; None where there is none."""
    call = kubeflow.api.experiments.experiment_service_list_experiments
    with api_errors(f"open the experiment '{name}'"):
        found = all_pages(call, "experiments", namespace=kubeflow.namespace, filter=name_filter(name))
        return next((str(each.experiment_id) for each in found), None)


def ensure_experiment(kubeflow: Kubeflow, name: str) -> str:
    """Returns the id of an experiment, which is created if it does not exist."""
    if found := find_experiment(kubeflow, name):
        return found
    with api_errors(f"open the experiment '{name}'"):
        new = V2beta1Experiment(display_name=name, namespace=kubeflow.namespace)
        created = kubeflow.api.experiments.experiment_service_create_experiment(experiment=new)
        return str(created.experiment_id)
