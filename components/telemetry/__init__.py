"""What a person or a monitor sees of a running step: logs, progress, orphan watch."""
