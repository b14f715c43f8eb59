"""The whole pipeline on this machine: the compiled YAML, KFP's local runner, and a person watching."""
