"""Kubeflow Pipelines for `submit` and `schedule`: endpoint, API client, package versions, parameters, a run's tasks."""
