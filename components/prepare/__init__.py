"""Recordings into records of the data set's own format."""
