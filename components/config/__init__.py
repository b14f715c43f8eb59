"""Configuration: gin files, presets, the catalogue of synths, bindings, settings, the promotion gate. No TensorFlow."""
