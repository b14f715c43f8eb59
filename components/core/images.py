"""The container images that the pipeline's steps run in, read when a pipeline is compiled; a laptop needs neither."""

from __future__ import annotations

import os

DATA = os.environ.get("LUTHIER_DATA_IMAGE", "luthier-data:0.1.0")
"""Light: plan, prepare, sort, select, compare, and what launches trainings."""

TRAIN = os.environ.get("LUTHIER_TRAIN_IMAGE", "luthier-train:0.1.0")
"""TensorFlow and CUDA: train, evaluate, register."""
