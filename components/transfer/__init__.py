"""Timbre transfer: any recording, played by a model."""
