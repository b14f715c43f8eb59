"""What a model's folder holds, by name: for all who read one, with TensorFlow or without. See synths.instrument."""

CARD_NAME = "model.json"  # written last: it says that the rest is there
CONFIG_NAME = "operative_config.gin"
WEIGHTS_NAME = "weights.h5"
MODEL_FOLDER = "model"  # of a training directory
