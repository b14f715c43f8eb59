"""The data set: TFRecord framing, the examples inside, notes, families, source folders and sorted sets."""
