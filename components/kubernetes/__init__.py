"""A client of the Kubernetes API with typed errors, watches that survive lost connections, and container logs."""
