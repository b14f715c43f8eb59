"""Checks of a cluster before anything is trained, for the step `plan` and for `luthier doctor`."""
