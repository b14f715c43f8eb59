"""The data set: TFRecord framing, the examples inside, notes, families, source directories and sorted sets."""
