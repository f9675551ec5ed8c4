"""The score of a pose: a probability that holds, falls with what is wrong, and is the same wherever a network runs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from exported_models import FORMATS, metadata_of, network_joints

from keras_handpose.cameras import CAMERAS
from keras_handpose.confidence import FEATURES, Confidence, bone_lengths, measure_pose
from keras_handpose.datasets import LabelledCrops
from keras_handpose.engines import Metadata, read_metadata, write_metadata
from keras_handpose.estimator import HandPoseEstimator, Pose
from keras_handpose.evaluation import (
    area_under_roc,
    fit_confidence,
    pose_errors,
    reliability,
    risk_coverage,
    score_poses,
)
from keras_handpose.models.presets import Preset
from keras_handpose.preprocessing import Crop, HandCube
from keras_handpose.skeletons import MSRA21, NYU14
from keras_handpose.synthetic import render_crops

CAMERA = CAMERAS["msra15"]
FRAME = np.zeros(CAMERA.shape, np.uint16)
FRAME[80:140, 150:200] = np.linspace(390, 420, 50)
NOTHING = np.zeros(CAMERA.shape, np.uint16)
CENTRE = (25.0, -17.0, 405.0)
VALUES = {
    "features": ["off", "hidden"],
    "means": [2.0, 0.25],
    "stds": [1.0, 0.125],
    "coefficients": [-1.0, -0.5],
    "intercept": 0.5,
    "bones_mm": [30.0] * 20,
    "threshold_mm": 20.0,
    "data": "an example",
}
EXAMPLE = Confidence.from_dict(VALUES)
ALL = Confidence.from_dict(
    {
        **VALUES,
        "features": [*FEATURES],
        "means": [0.1] * len(FEATURES),
        "stds": [5.0] * len(FEATURES),
        "coefficients": [-1.0] * len(FEATURES),
    }
)


class InNumPy:
    """The exported network as an engine of one's own."""

    crop_size, joints = 32, 21

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        return network_joints(crops)


def guesses(crops: LabelledCrops, seed: int) -> np.ndarray:
    """Joints as a network would give them: some near the truth and some not, moved together and one by one."""
    rng = np.random.default_rng(seed)
    mm = rng.uniform(2, 20, (len(crops), 1, 1)) * 2 / crops.cubes[:, None, None]
    together, alone = rng.normal(size=(len(crops), 1, 3)), rng.normal(size=crops.joints_unit.shape)
    return (crops.joints_unit + mm * (0.7 * together + 0.7 * alone)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted() -> tuple[Confidence, LabelledCrops]:
    """A confidence, and crops that it was not fitted to."""
    crops = render_crops(480, seed=91)
    return fit_confidence(crops, guesses(crops, 0), data="480 rendered crops"), render_crops(320, seed=92)


# === What it says ===


def test_it_is_a_probability_that_holds(fitted):
    confidence, crops = fitted
    joints_unit = guesses(crops, 1)
    scores, good = score_poses(confidence, crops, joints_unit), pose_errors(crops, joints_unit) <= 20
    assert ((scores >= 0) & (scores <= 1)).all()
    assert abs(scores.mean() - good.mean()) < 0.1
    assert reliability(scores, good, bins=5)["calibration_error"] < 0.1
    assert area_under_roc(scores, good) > 0.8
    coverage, risk = risk_coverage(scores, pose_errors(crops, joints_unit))
    assert risk[len(risk) // 2] < risk[-1] - 3 and coverage[-1] == 1


def test_it_falls_with_what_is_wrong(fitted):
    confidence, crops = fitted
    rng = np.random.default_rng(2)
    true = crops.joints_unit
    wrong = {
        "noise of 10 mm": true + rng.normal(0, 10 / 125, true.shape),
        "noise of 25 mm": true + rng.normal(0, 25 / 125, true.shape),
        "another hand's joints": np.roll(true, 1, axis=0),
        "joints anywhere": rng.uniform(-0.7, 0.7, true.shape),
    }
    best = score_poses(confidence, crops, true).mean()
    scores = {name: score_poses(confidence, crops, joints_unit).mean() for name, joints_unit in wrong.items()}
    assert best > scores["noise of 10 mm"] > scores["noise of 25 mm"]
    assert all(scores[name] < best - 0.4 for name in list(wrong)[1:]), scores


def test_a_hand_that_is_cut_is_trusted_less(fitted):
    confidence, crops = fitted
    cut = crops.images.copy()
    cut[:, :, :58] = 1.0
    whole = score_poses(confidence, crops, crops.joints_unit)
    assert score_poses(confidence, replace(crops, images=cut), crops.joints_unit).mean() < whole.mean() - 0.2


def planks(count: int, seed: int) -> LabelledCrops:
    """Things that are no hand: bare planks of a hand's size, leaning and turned. Their joints are nobody's."""
    rng = np.random.default_rng(seed)
    images = np.ones((count, 128, 128, 1), np.float32)
    columns, rows = np.meshgrid(*[np.arange(128) - 63.5] * 2)
    for image in images[..., 0]:
        angle, length, width, lean = rng.uniform([0, 35, 12, -0.004], [np.pi, 60, 30, 0.004])
        along = columns * np.cos(angle) + rows * np.sin(angle)
        across = rows * np.cos(angle) - columns * np.sin(angle)
        image[(abs(along) < length) & (abs(across) < width)] = 0
        image[image == 0] = (lean * along)[image == 0]
    return LabelledCrops(
        images=images,
        joints_unit=np.full((count, 21, 3), np.nan, np.float32),
        centres_xyz=np.tile([0.0, 0.0, 400.0], (count, 1)),
        cubes=np.full(count, 250.0),
        skeleton=MSRA21,
    )


def test_things_that_are_no_hand_are_trusted_less_where_it_knows_some(fitted):
    confidence, crops = fitted
    fit = render_crops(480, seed=91)
    others, more = planks(60, 1), planks(40, 2)
    # A network gives poses that are possible for whatever it sees.
    in_others, in_more = fit.joints_unit[:60], crops.joints_unit[:40]
    knowing = fit_confidence(fit, guesses(fit, 0), data="and planks", without_hand=(others, in_others))
    assert (knowing.means, knowing.bones_mm) == (confidence.means, confidence.bones_mm)  # Those of hands.
    before, after = (score_poses(each, more, in_more).mean() for each in (confidence, knowing))
    assert after < before / 2 and after < 0.2, (before, after)
    joints_unit = guesses(crops, 1)
    good = pose_errors(crops, joints_unit) <= 20
    scores = score_poses(knowing, crops, joints_unit)
    assert scores[good].mean() > score_poses(confidence, crops, joints_unit)[good].mean() - 0.1
    assert area_under_roc(scores, good) > 0.8


def test_crops_without_a_hand_must_fit_those_with_one():
    crops = render_crops(96, seed=0)
    joints_unit = guesses(crops, 0)
    others = planks(3, 0)
    for without_hand, message in (
        ((others, joints_unit[:2]), r"must be crops of msra21 and joints for each.* 3 crops of msra21 .*\(2, 21, 3\)"),
        ((replace(others, skeleton=NYU14), joints_unit[:3]), "must be crops of msra21 .* 3 crops of nyu14"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_confidence(crops, joints_unit, data="few", without_hand=without_hand)


@pytest.mark.parametrize("value", [1.0, 0.0, -0.999])
@pytest.mark.parametrize("joints", [0.0, 50.0, -50.0])
@pytest.mark.parametrize("size", [16, 100, 128, 200])
def test_any_crop_and_any_joints_have_a_score(value, joints, size):
    window = {"left": 0.0, "top": 0.0, "width": 50.0, "height": 50.0}
    crop = Crop(
        image=np.full((size, size), value, np.float32),
        cube=HandCube(centre_xyz=(10.0, 20.0, 100.0), size=250.0),
        camera=CAMERA,
        mirrored=True,
        **window,
    )
    assert 0 <= ALL(crop, np.full((21, 3), joints), MSRA21) <= 1


def test_what_is_measured_is_what_is_said():
    # A flat hand of joints in a row along y, 10 mm behind a wall that fills the right half of the crop.
    image = np.ones((128, 128), np.float32)
    image[:, 64:] = 0.0
    joints_unit = np.zeros((21, 3))
    joints_unit[:, 0], joints_unit[:, 2] = 0.2, 10 / 125
    joints_unit[:, 1] = np.linspace(-0.3, 0.3, 21)
    shared = {"centre_xyz": (0, 0, 1e6), "cube": 250.0, "skeleton": MSRA21, "bones_mm": np.full(20, 10.0)}

    def measured(joints: np.ndarray, image: np.ndarray = image) -> dict[str, float]:
        return dict(zip(FEATURES, measure_pose(image, joints, **shared).tolist(), strict=True))

    on = measured(joints_unit)
    assert (on["off"], on["before"], on["before_mm"], on["hidden"], on["edge"]) == (0, 0, 0, 0, 1)
    lengths = bone_lengths(joints_unit * 125, MSRA21)
    assert on["odd_bones"] == pytest.approx(abs(lengths / 10 - 1).mean())
    assert on["last_bones"] == pytest.approx(0.03 * 125) and on["downwards"] == pytest.approx(1)
    assert on["aside"] == pytest.approx(np.hypot(0.2, 10 / 125))
    assert measured(joints_unit - (0, 0, 40 / 125))["before_mm"] == pytest.approx(30)
    assert measured(joints_unit + (0, 0, 40 / 125))["hidden"] == 1
    away = measured(joints_unit - (0.3, 0, 0))["off"]  # 12.5 mm to the left of the wall.
    assert away == pytest.approx(12.5, abs=3)

    tips = [finger[-1] for finger in MSRA21.fingers.values()]
    assert on["tips_apart"] == pytest.approx(125 * joints_unit[tips, 1].std())
    assert (on["around"], on["relief"]) == (pytest.approx(0.5, abs=0.05), pytest.approx(0, abs=0.01))
    assert on["thick"] == pytest.approx(25, abs=4)
    assert measured(joints_unit - (0.1, 0, 0))["thick"] < on["thick"] - 8
    # What is before the wall has its sides there: the joints are in the middle of 33 mm.
    image = image.copy()
    image[:, 84:101] = -30 / 125
    assert measured(joints_unit + (0.245, 0, 0), image)["thick"] == pytest.approx(13, abs=4)
    image[:, 64:] = np.where(np.arange(64) % 16 < 8, 0, 8 / 125)
    assert measured(joints_unit, image)["relief"] == pytest.approx(4, abs=1)


# === What is refused ===


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ["off", "beauty"]}, "`features` of a confidence must be some of explained"),
        ({"features": ["off", "off"]}, "`features` of a confidence must be some of .* each once"),
        ({"features": []}, "`features` of a confidence must be some of"),
        ({"features": "off"}, "`features` of a confidence must be a list"),
        ({"means": [1.0]}, "`means` of a confidence must be 2 numbers"),
        ({"means": [1.0, float("nan")]}, "`means` of a confidence must be finite numbers"),
        ({"coefficients": [1.0, float("inf")]}, "`coefficients` of a confidence must be finite"),
        ({"coefficients": [1.0, "2"]}, "`coefficients` of a confidence must be finite"),
        ({"stds": [1.0, 0.0]}, "`stds` of a confidence must be positive"),
        ({"bones_mm": []}, "`bones_mm` of a confidence must be one length"),
        ({"bones_mm": [30.0, -1.0]}, "`bones_mm` of a confidence must be positive"),
        ({"intercept": None}, "`intercept` of a confidence must be a finite"),
        ({"threshold_mm": 0}, "`threshold_mm` of a confidence must be a positive"),
        ({"data": ""}, "`data` of a confidence must be text"),
        ({"extra": 1}, "`confidence` must have the keys features"),
    ],
)
def test_bad_calibrations_are_refused(changes, message, tmp_path):
    values = {**VALUES, **changes}
    with pytest.raises(ValueError, match=message):
        Confidence.from_dict(values)
    text = json.dumps({**json.loads(preset_of().to_json()), "confidence": values})
    path = tmp_path / "tiny.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"tiny\.json is not a valid weights record\. "):
        Preset.read(path)


def test_missing_keys_and_other_things_are_refused():
    for values in ({}, [1], None, {key: value for key, value in VALUES.items() if key != "stds"}):
        with pytest.raises(ValueError, match="`confidence` must have the keys"):
            Confidence.from_dict(values)


def test_another_layout_is_refused():
    message = "`bones_mm` of a confidence must be 13 lengths for nyu14. Received: 20"
    with pytest.raises(ValueError, match=message):
        preset_of(skeleton="nyu14", confidence=EXAMPLE)
    with pytest.raises(ValueError, match=message):
        metadata_of(skeleton=NYU14, confidence=EXAMPLE)
    engine = InNumPy()
    engine.joints = 14
    with pytest.raises(ValueError, match=message):
        HandPoseEstimator(engine, camera=CAMERA, skeleton="nyu14", cube=250, confidence=EXAMPLE)


def test_nothing_is_fitted_to_too_few_poses():
    crops = render_crops(24, seed=0)
    with pytest.raises(ValueError, match="Received: 24 poses of at most 20.0 mm, 0 beyond"):
        fit_confidence(crops, crops.joints_unit, data="few")
    with pytest.raises(ValueError, match="`good` must be true for some"):
        area_under_roc(np.array([0.5]), np.array([True]))
    with pytest.raises(ValueError, match="as many poses"):
        risk_coverage(np.zeros(3), np.zeros(2))


# === Records and files ===


def preset_of(**changes) -> Preset:
    values = {
        "name": "tiny", "file": "tiny.weights.h5", "size": 1, "sha256": "0" * 64, "architecture": {},
        "skeleton": "msra21", "camera": "msra15", "cube": 250.0, "hand": "right", "trained_on": "nothing",
        "licence": "Apache-2.0",
    }  # fmt: skip
    return Preset(**{**values, **changes})


def test_records_keep_it():
    assert Confidence.from_dict(json.loads(json.dumps(EXAMPLE.to_dict()))) == EXAMPLE
    for record in (preset_of(confidence=EXAMPLE), preset_of(confidence=VALUES), preset_of()):
        again = Preset.from_json(record.to_json())
        assert again == record and again.confidence in (EXAMPLE, None)
    assert "confidence" not in json.loads(preset_of().to_json())


def test_exported_files_keep_it(tmp_path):
    for metadata in (metadata_of(confidence=EXAMPLE), metadata_of("pipeline", confidence=EXAMPLE), metadata_of()):
        assert Metadata.from_json(metadata.to_json()) == metadata
        path = tmp_path / "model.onnx"
        path.write_bytes(b"\x08\x08")
        write_metadata(path, metadata)
        assert read_metadata(path).confidence == metadata.confidence
    with pytest.raises(ValueError, match="`confidence` must be a Confidence"):
        metadata_of(confidence=VALUES)


def test_weights_with_a_record_bring_it(tiny_weights, tmp_path):
    path, record = tmp_path / tiny_weights.name, tmp_path / "tiny.json"
    path.write_bytes(tiny_weights.read_bytes())
    preset = Preset.read(tiny_weights.with_name("tiny.json"))
    record.write_text(replace(preset, confidence=EXAMPLE).to_json())
    assert HandPoseEstimator(path, camera=CAMERA).confidence == EXAMPLE
    assert HandPoseEstimator(path, camera=CAMERA, cube=200).confidence is None  # It is calibrated for its cube.
    assert HandPoseEstimator(tiny_weights, camera=CAMERA).confidence is None


# === In the estimator ===


def estimator_of(confidence: Confidence | None, **settings) -> HandPoseEstimator:
    settings = {"camera": CAMERA, "skeleton": MSRA21, "cube": 250.0, **settings}
    return HandPoseEstimator(InNumPy(), confidence=confidence, **settings)


def test_without_it_the_score_is_the_evidence():
    for frame in (FRAME, NOTHING):
        pose = estimator_of(None)(frame)
        assert pose.score == pose.evidence
    calibrated = estimator_of(ALL)
    assert calibrated(FRAME).evidence == estimator_of(None)(FRAME).evidence != calibrated(FRAME).score
    assert calibrated(NOTHING).score == 0
    assert calibrated(FRAME, centre_xyz=(0, 0, 400)).evidence == 1


def test_the_score_is_that_of_the_crop_and_its_joints():
    pose = estimator_of(ALL)(FRAME, centre_xyz=CENTRE)
    crops = LabelledCrops(
        images=pose.crop.image[None, ..., None],
        joints_unit=np.zeros((1, 21, 3), np.float32),
        centres_xyz=pose.centre_xyz[None],
        cubes=np.array([250.0]),
        skeleton=MSRA21,
    )
    assert score_poses(ALL, crops, pose.crop.xyz_to_unit(pose.joints_xyz)[None])[0] == pytest.approx(pose.score)


def test_a_left_hand_has_the_score_of_its_mirror_image():
    # Off the middle of the frame, where the way of a pixel to mm depends on where it is.
    frame, centre = np.roll(FRAME, 60, axis=1), np.array([70.0, -20.0, 400.0])
    right = estimator_of(ALL)(frame, centre_xyz=centre)
    left = estimator_of(ALL, camera=CAMERA.mirrored(), hand="left")(frame[:, ::-1], centre_xyz=centre * (-1, 1, 1))
    assert left.score == pytest.approx(right.score, abs=1e-6)


@pytest.mark.parametrize("suffix", FORMATS)
def test_files_score_as_their_networks_do(suffix, exported, tmp_path):
    for kind in ("network", "pipeline"):
        path = tmp_path / f"{kind}{suffix}"
        path.write_bytes(exported[kind, suffix].read_bytes())
        write_metadata(path, metadata_of(kind, confidence=ALL))
        estimator = HandPoseEstimator(path, camera=CAMERA)
        pose = estimator(FRAME, centre_xyz=CENTRE)
        assert estimator.confidence == ALL
        assert pose.score == ALL(pose.crop, pose.joints_xyz, MSRA21)
        if kind == "network":
            assert pose.score == pytest.approx(estimator_of(ALL)(FRAME, centre_xyz=CENTRE).score, abs=1e-3)
        batch = estimator.batch([FRAME, NOTHING], centres_xyz=[CENTRE, CENTRE])
        assert [pose.score for pose in batch] == [pose.score, 0]


def test_poses_keep_both_figures_in_files():
    pose = estimator_of(ALL)(FRAME)
    values = json.loads(json.dumps(pose.to_dict()))
    again = Pose.from_dict(values)
    assert (again.score, again.evidence) == (round(pose.score, 3), round(pose.evidence, 3))
    del values["evidence"]  # As files of before have it.
    assert Pose.from_dict(values).evidence == values["score"]
