"""Step: timbre transfer, which renders a recording with a model."""
