"""The files of a training: one owner for their names, schema versions, reading and writing."""
