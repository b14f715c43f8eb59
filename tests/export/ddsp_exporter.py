"""ddsp's own way from a checkpoint to a model for DDSP-VST, as a program: its vst.gin and VSTStatelessPredictControls.

In a process of its own, since ddsp reads gin by names that our layers have as well. The last lines are those of
ddsp_export's saved_model_to_tflite, which cannot be imported: it wants packages that are not to be had any more.

    python -m tests.export.ddsp_exporter WEIGHTS.npz FOLDER      writes FOLDER/model.tflite
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from components.synths.ddsp_imports import ddsp, gin, models, tf


def main(weights: str, folder: Path) -> None:
    from ddsp.training import inference

    gin.parse_config_file(str(Path(ddsp.__file__).parent / "training/gin/models/vst/vst.gin"))
    model = models.Autoencoder()
    curve = tf.zeros([1, 4, 1])
    model.decoder({"f0_scaled": curve, "pw_scaled": curve})
    with np.load(weights) as kept:
        for variable, name in zip(model.decoder.weights, sorted(kept.files), strict=True):
            variable.assign(kept[name])
    tf.train.Checkpoint(model=model).save(str(folder / "ckpt"))
    (folder / "operative_config-0.gin").write_text(gin.config_str())
    inference.VSTStatelessPredictControls(str(folder)).save_model(str(folder / "saved_model"))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved_model"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (folder / "model.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
