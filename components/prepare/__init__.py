"""Step: converts recordings to records in the data set's own format."""
