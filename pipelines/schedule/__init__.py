"""`luthier schedule`: the recurring run in Kubeflow's UI, brought to what it shall be."""
