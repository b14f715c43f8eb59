"""Training beside ddsp's own: a step, the start, equal time, whether the pace holds, and a known experiment."""
