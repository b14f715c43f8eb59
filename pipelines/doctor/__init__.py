"""`luthier doctor`: checks the cluster, Kubeflow, the storage and the registry before anything is submitted."""
