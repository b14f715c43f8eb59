"""An instrument as an MLflow model. MLflow copies this file into the model and runs the copy ("models from code").

So this module imports neither TensorFlow nor its own package before a model is loaded. Copies in registered models call
`Instrument.load` and `Instrument.play`: keep both names and their arguments. Loading needs an installed Luthier:

    mlflow.set_tracking_uri("sqlite:///workspace/mlflow/mlflow.db")
    violin = mlflow.pyfunc.load_model("models:/ddsp-string@champion")
    audio = violin.predict({"f0_hz": f0_hz, "loudness_db": loudness_db})
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class InstrumentModel(PythonModel):  # type: ignore[misc]  # MLflow is not followed by mypy
    """Renders audio from pitch and loudness."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads the instrument from the model's artifacts."""
        from components.synths.instrument import Instrument

        self._instrument = Instrument.load(context.artifacts["instrument"])

    def predict(
        self,
        context: PythonModelContext,
        # It is a mapping of arrays; MLflow reads the annotation and warns about nearly all others.
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Renders audio.

        Args:
            context: Unused.
            model_input: "f0_hz", float32 [batch, frames], 250 frames a second; "loudness_db", the same shape, by the
                definition that the model card (model.json) names (about -80..0 dB, unlike the data set's own).
            params: "seed" of the noise, 0 by default; equal seeds give equal audio.

        Returns:
            Audio, float32 [batch, frames * 64], at 16 kHz.
        """
        f0_hz, loudness_db = (np.asarray(model_input[name], np.float32) for name in ("f0_hz", "loudness_db"))
        seed = (params or {}).get("seed", 0)
        audio: np.ndarray = self._instrument.play(f0_hz, loudness_db, seed)["audio"]
        return audio


set_model(InstrumentModel())
