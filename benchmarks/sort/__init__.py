"""`luthier sort` beside cp, tf.data, the notebook it replaces, and Cloud Storage's own transfer_manager."""
