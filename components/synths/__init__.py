"""The models: ddsp's autoencoder with one of three synthesizers, described by gin files.

Importing the package loads nothing heavy.
"""
