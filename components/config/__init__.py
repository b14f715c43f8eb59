"""Presets, gin files, the catalogue of synths, checks of bindings, settings, the promotion gate."""
