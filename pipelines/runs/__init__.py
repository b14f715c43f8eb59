"""`luthier runs`: lists the runs in Kubeflow, or those of a workspace."""
