"""`luthier schedule`: creates, replaces or removes the recurring run in Kubeflow's UI."""
