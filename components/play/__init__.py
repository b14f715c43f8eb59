"""Renders MIDI files with models."""
