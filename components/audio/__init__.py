"""Audio files, pitch, levels, loudness, spectra, timbre, pictures: each quantity defined once."""
