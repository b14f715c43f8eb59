"""Registers trained models in MLflow: their runs, a registered model per family, its champion."""

import components.registry  # noqa: F401 (what it sets has to be set before MLflow is imported)
