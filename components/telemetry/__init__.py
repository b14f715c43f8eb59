"""What a running step reports: logs, progress, metrics; and what ties it to its parent process."""
