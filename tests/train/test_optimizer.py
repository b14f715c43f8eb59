"""The optimizer's averages of the weights."""

from __future__ import annotations

import numpy as np
import pytest

from components.config.settings import TrainSettings


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_the_averages_follow_the_weights_over_the_steps(share):
    from components.synths.ddsp_imports import tf
    from components.train.optimizer import Optimizer

    weight = tf.Variable([1.0, 2.0])
    optimizer = Optimizer(TrainSettings(weight_average=share, learning_rate=0.1), [weight])
    expected = weight.numpy()
    for step in range(1, 21):
        optimizer.apply([tf.constant([np.sin(step), -1.0], tf.float32)], lambda gradients: gradients)
        kept = min(share, (step - 1) / (step + 7))
        expected = kept * expected + (1 - kept) * weight.numpy()
    assert len(optimizer.averages) == (share > 0)
    for average in optimizer.averages:
        assert any(average is variable for variable in optimizer.variables)  # a checkpoint has it
        np.testing.assert_allclose(average, expected, rtol=1e-6)
        assert np.abs(average - weight).max() > 0.01
