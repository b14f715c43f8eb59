"""The evaluation step: scores of a model on held-out notes, listening samples, and the report."""
