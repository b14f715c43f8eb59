"""What a run will do: its paths, what has changed since the registered trainings, and warm starts."""
