"""Kubeflow Pipelines for `submit` and `schedule`: endpoint, API client, package versions, parameters, tasks of a run."""
