"""Sound as several steps need it: recordings, spectra, pictures of them. No TensorFlow."""
