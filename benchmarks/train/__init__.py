"""Compares training with ddsp's: a step, the start, equal time, a long training, and a known experiment."""
