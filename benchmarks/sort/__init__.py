"""Compares `luthier sort` with cp, tf.data, the notebook that it replaces, and Cloud Storage's transfer_manager."""
