"""What runs when: the Kubeflow pipeline and its execution here. Wiring only; the work is in `components`."""
