"""`luthier submit`: a run of the pipeline in Kubeflow, followed to its end."""
