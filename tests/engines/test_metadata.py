"""What exported files say of themselves: written and read, and refused when it cannot be true."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from exported_models import FORMATS, metadata_of

from keras_handpose.cameras import CAMERAS
from keras_handpose.engines import Metadata, read_metadata, write_metadata
from keras_handpose.skeletons import MSRA21, SKELETONS, Skeleton

PAIR = Skeleton(
    name="pair", joint_names=("a", "b"), landmarks=("a", "b"), fingers={"f": (0, 1)}, palm=(), bones=((0, 1),),
    centre_joint=1,
)  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [
        metadata_of(),
        metadata_of("pipeline", camera=CAMERAS["realsense_d435"], hand="left", quantize="int8"),
        metadata_of(skeleton=PAIR, preset="mine", trained_on="few hands", comparison={"crops": 3, "limits": [1, 2.5]}),
        *(metadata_of(skeleton=skeleton) for skeleton in SKELETONS.values()),
    ],
)
def test_metadata_are_read_as_they_were_written(metadata, tmp_path):
    assert Metadata.from_json(metadata.to_json()) == metadata
    for suffix, model in zip(FORMATS, (b"\x08\x08", b"\x1c\0\0\0TFL3" + bytes(99)), strict=True):
        path = tmp_path / f"model{suffix}"
        path.write_bytes(model)
        for written in (replace(metadata, version="0.0.1"), metadata):
            write_metadata(path, written)
            assert read_metadata(path) == written
        assert path.read_bytes().startswith(model)


def test_known_skeletons_are_the_known_ones():
    assert Metadata.from_json(metadata_of().to_json()).skeleton is MSRA21


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "detector"}, "`kind` must be"),
        ({"skeleton": "msra21"}, "`skeleton` must be"),
        ({"cube": 0}, "`cube` must be"),
        ({"cube": True}, "`cube` must be"),
        ({"cube": 10**400}, "`cube` must be"),
        ({"hand": "both"}, "`hand` must be"),
        ({"crop_size": 128.0}, "`crop_size` must be"),
        ({"kind": "pipeline", "camera": None}, "`camera` must be"),
        ({"kind": "pipeline", "min_score": None}, "`min_score` must be"),
        ({"min_score": 2}, "`min_score` must be"),
        ({"quantize": "int4"}, "`quantize` must be"),
        ({"weights_sha256": "abc"}, "`weights_sha256` must be"),
        ({"trained_on": 3}, "`trained_on` must be"),
        ({"comparison": {"error": float("nan")}}, "`comparison.error` must hold"),
        ({"format_version": 2}, "`format_version` must be"),
    ],
)
def test_values_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        metadata_of(**changes)


def without(key):
    return lambda values: values.pop(key)


def with_(**changes):
    return lambda values: values.update(changes)


def in_skeleton(**changes):
    return lambda values: values["skeleton"].update(changes)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("cube"), "misses keys: cube"),
        (with_(colour="red"), "unknown keys: colour"),
        (with_(format_version=2), "format_version 1 for this version"),
        (with_(camera={"width": 3}), "`camera` must be"),
        (with_(camera=[1, 2]), "`camera` must be"),
        (with_(skeleton=None), "`skeleton` must have"),
        (with_(skeleton="msra21"), "`skeleton` must have"),
        (in_skeleton(bones=[[0, 1, 2]]), "`skeleton` must have"),
        (in_skeleton(bones=[[0, 21]]), "indices from 0 to 20"),
        (in_skeleton(centre_joint=-1), "indices from 0 to 20"),
        (in_skeleton(landmarks=["wrist"]), "one name and landmark"),
        (in_skeleton(joint_names=["wrist"] * 21), "one name and landmark"),
        (in_skeleton(name=3), "names that are text"),
        (in_skeleton(fingers={"thumb": []}), "joints on every finger"),
        (in_skeleton(colour="red"), "`skeleton` must have"),
    ],
)
def test_json_that_is_no_metadata_is_refused(damage, message):
    values = json.loads(metadata_of().to_json())
    damage(values)
    with pytest.raises(ValueError, match=message):
        Metadata.from_json(json.dumps(values))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "[" * 100_000, '{"kind": 1, "kind": 2}', '{"cube": NaN}', b"\xff"]
)
def test_text_that_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError):
        Metadata.from_json(text)
