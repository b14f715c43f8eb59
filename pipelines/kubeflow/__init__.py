"""Kubeflow Pipelines as `submit` and `schedule` use it: its address, the package's version, the parameters."""
