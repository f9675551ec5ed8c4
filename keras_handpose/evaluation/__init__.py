"""Errors of predicted joints, as the field reports them."""

from keras_handpose.evaluation.confidence import (
    area_under_roc,
    fit_confidence,
    pose_errors,
    reliability,
    risk_coverage,
    score_poses,
)
from keras_handpose.evaluation.errors import joint_errors, summarise_errors
from keras_handpose.evaluation.evaluation import THRESHOLDS, UP_TO, Evaluation, evaluate
from keras_handpose.evaluation.leaderboard import (
    COMMUNITY,
    OWN,
    PUBLISHED,
    RECOMPUTED,
    REPORTED,
    LeaderboardEntry,
    leaderboard,
)
from keras_handpose.evaluation.predictions import read_image_paths, read_predictions, write_predictions
from keras_handpose.evaluation.protocols import ORDERS, PROTOCOLS, Protocol, protocol_for
from keras_handpose.evaluation.success import READINGS, Reading, area_under_curve, success_rate
from keras_handpose.evaluation.truth import STORE_SUFFIXES, GroundTruth

__all__ = [
    "COMMUNITY",
    "ORDERS",
    "OWN",
    "PROTOCOLS",
    "PUBLISHED",
    "READINGS",
    "STORE_SUFFIXES",
    "RECOMPUTED",
    "REPORTED",
    "THRESHOLDS",
    "UP_TO",
    "Evaluation",
    "GroundTruth",
    "LeaderboardEntry",
    "Protocol",
    "Reading",
    "area_under_curve",
    "area_under_roc",
    "evaluate",
    "fit_confidence",
    "joint_errors",
    "leaderboard",
    "pose_errors",
    "protocol_for",
    "read_image_paths",
    "read_predictions",
    "reliability",
    "risk_coverage",
    "score_poses",
    "success_rate",
    "summarise_errors",
    "write_predictions",
]
