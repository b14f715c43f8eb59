"""A trained model for other software: TensorFlow, LiteRT, ONNX, audio plugins."""
