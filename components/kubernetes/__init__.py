"""A client of the Kubernetes API with typed errors, watches that survive dropped connections, and container logs."""
