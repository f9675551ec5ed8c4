"""A model of one's own from the blocks: an attention module behind other layers, the pose prior at the end.

python examples/block_in_another_model.py
"""

from __future__ import annotations

import keras
import numpy as np

import keras_handpose as khp

CUBE = 250.0  # mm


def small_network(poses_unit: np.ndarray) -> tuple[keras.Model, keras.Model]:
    """Build a regressor of joints whose prior is fitted to poses, and the model that shows where its module looks."""
    crop = keras.Input((128, 128, 1), name="crop")
    x = keras.layers.AveragePooling2D(2)(crop)
    x = keras.layers.Conv2D(16, 5, strides=4, padding="same", activation="relu")(x)
    x, mask = khp.AttentionModule(16, poolings=1, bottleneck=False, name="attention")(x, return_mask=True)
    x = keras.layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Dense(128, activation="relu")(keras.layers.Flatten()(x))
    prior = khp.PCAPrior(joints=len(khp.MSRA21), components=20, name="prior")
    joints_unit = prior(keras.layers.Dense(prior.components, name="code")(x))
    prior.adapt(poses_unit)
    return keras.Model(crop, joints_unit), keras.Model(crop, mask)


def main(count: int = 3000, epochs: int = 6) -> tuple[float, float]:
    """Train on rendered hands; return the mean error in mm of the mean pose and of the network on other hands."""
    keras.utils.set_random_seed(0)
    hands = next(khp.synthetic.iterate_crops(count, seed=0, cube=CUBE))
    others = next(khp.synthetic.iterate_crops(count // 4, seed=1, cube=CUBE))
    model, masks = small_network(hands.joints_unit)
    error = khp.MeanJointErrorMM(cube=CUBE)
    model.compile(keras.optimizers.Adam(1e-3), khp.JointLoss(huber_delta=0.1), metrics=[error])
    model.fit(hands.images, hands.joints_unit, epochs=epochs, verbose=2)
    network = model.evaluate(others.images, others.joints_unit, return_dict=True, verbose=0)["mean_error_mm"]
    error.reset_state()
    error.update_state(others.joints_unit, np.broadcast_to(hands.joints_unit.mean(axis=0), others.joints_unit.shape))
    mean_pose, mask = float(error.result()), masks.predict(others.images[:1], verbose=0)
    print(f"Other hands: {network:.1f} mm, the mean pose {mean_pose:.1f} mm.")
    print(
        f"The mask of the first: {mask.shape[1]} x {mask.shape[2]} of {mask.shape[3]} channels, up to {mask.max():.2f}."
    )
    return mean_pose, network


if __name__ == "__main__":
    main()
