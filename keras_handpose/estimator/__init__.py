"""From a depth frame to a hand's pose."""

from keras_handpose.estimator.both_hands import BothHands
from keras_handpose.estimator.hand_pose_estimator import HandPoseEstimator
from keras_handpose.estimator.one_euro import OneEuroFilter
from keras_handpose.estimator.pose import Pose
from keras_handpose.estimator.stores import predict_store
from keras_handpose.estimator.stream import Stream, StreamStatistics

__all__ = ["BothHands", "HandPoseEstimator", "OneEuroFilter", "Pose", "Stream", "StreamStatistics", "predict_store"]
