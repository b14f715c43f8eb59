"""Exports of a trained model to other software: TensorFlow, LiteRT, ONNX, an audio plugin."""
