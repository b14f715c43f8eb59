"""Prometheus gauges of a training, served while it runs where LUTHIER_METRICS_PORT is set."""

from __future__ import annotations

from prometheus_client import Gauge

TRAIN_STEP = Gauge("luthier_train_step", "Steps of training done.", ["family", "synth"])
TRAIN_LOSS = Gauge("luthier_train_loss", "Spectral loss.", ["family", "synth", "split"])
