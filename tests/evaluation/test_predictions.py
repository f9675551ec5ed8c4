"""Result files in all the shapes that the field has published them in."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.io import savemat

from keras_handpose import ICVL16, MSRA21, NYU14
from keras_handpose.evaluation import ORDERS, read_image_paths, read_predictions, write_predictions
from keras_handpose.evaluation.numbers import parse_table

JOINTS = np.random.default_rng(0).normal(100, 200, (5, 14, 3)).round(3)
NUMBERS = JOINTS.reshape(5, -1)


def lines(separator: str = " ", end: str = "\n", number: str = "%.3f", front: str = "") -> bytes:
    return "".join(front + separator.join(number % value for value in row) + end for row in NUMBERS).encode()


# === Text ===


@pytest.mark.parametrize(
    "text",
    [
        lines(),
        lines(end="\r\n"),
        lines(end="\r\r\n"),
        lines(end="\r"),
        lines(end=" \n\n"),
        lines(separator="\t"),
        lines(separator=","),
        lines(separator=", "),
        lines(separator=";"),
        lines(number="%.3e").replace(b"e", b"E"),
        lines(number="%+.3f"),
        lines(front="test_seq_1/image_0000.png "),
        lines(front="test_seq_1/image_0000.png,", separator=","),
        lines(front="12 "),
        lines().rstrip(),
        b"\xef\xbb\xbf" + lines(),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_one_table_in_many_guises(text, tmp_path):
    path = tmp_path / "result.txt"
    path.write_bytes(text)
    tolerance = {"rtol": 1e-3} if b"E" in text else {"rtol": 0}
    np.testing.assert_allclose(read_predictions(path, skeleton=NYU14), JOINTS, **tolerance)


@pytest.mark.parametrize("number", ["%.0f", "%.1f", "%.3f", "%.6f", "%.11f", "%.17f", "%g", "%e", "%+.2f", "%08.3f"])
def test_the_fast_way_is_exact(number):
    text = lines(number=number)
    expected = [[float(word) for word in line.split()] for line in text.splitlines()]
    assert np.array_equal(parse_table(text, "text")[1], expected)


def test_numbers_with_and_without_a_point_side_by_side():
    assert parse_table(b"1 2.5 -3\n.5 4. 1e2", "text")[1].tolist() == [[1, 2.5, -3], [0.5, 4, 100]]
    assert parse_table(b"1 -2.50 3\n0.25 4 -5", "text")[1].tolist() == [[1, -2.5, 3], [0.25, 4, -5]]


def test_no_hand_is_nan(tmp_path):
    joints = JOINTS.copy()
    joints[1] = np.nan
    path = write_predictions(tmp_path / "result.txt", joints)
    np.testing.assert_array_equal(read_predictions(path), joints)
    path.write_text("1 2 inf 4 5 6\n")
    assert np.isnan(read_predictions(path)).sum() == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\r\n \n", "is empty"),
        ("1 2 3\n4 5\n", "line 2: every frame must have as many numbers as the first, 3. Received: 2"),
        ("1 2 3\n4 5\n6 7 8 9\n", "line 2"),
        ("\n1 2 3\n\n4 x 6\n", "line 4: 'x' is not a number"),
        ("a.png 1 2 3\n\nb.png\n", "line 3: .* Received: 0"),
        ("1 . 3\n", "'.' is not a number"),
        ("1-2 3 4 5\n1 2 3 4-5\n", "line 2: '4-5' is not a number"),
        ("__import__('os').abort() 1 2 3\n4 5 6 exit()\n", "'exit.*' is not a number"),
        ("1 2 3 4 5\n", "a column is missing"),
        ("1 2 3 4 5 6\n", "does not fit nyu14, which has 14 joints.* Received: 2 joints.* No skeleton"),
        (" ".join("1" * 63), "fit msra21: name that skeleton"),
        (" ".join("1" * 48), "fit icvl16"),
        (" ".join("1" * 108), "--order nyu36"),
    ],
)
def test_what_is_wrong_is_named(text, message, tmp_path):
    path = tmp_path / "result.txt"
    path.write_text(text, newline="")
    with pytest.raises(ValueError, match=message) as caught:
        read_predictions(path, skeleton=NYU14)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["gone.txt", "gone.mat", "gone.npy"])
def test_no_file(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=name):
        read_predictions(tmp_path / name)


# === Axes and orders ===


@pytest.mark.parametrize(
    ("axes", "made"),
    [
        ("xyz", lambda j: j),
        ("x-yz", lambda j: j * [1, -1, 1]),
        ("x-y-z", lambda j: j * [1, -1, -1]),
        ("-xyz", lambda j: j * [-1, 1, 1]),
        ("zxy", lambda j: j[..., [2, 0, 1]]),
        ("-zx-y", lambda j: j[..., [2, 0, 1]] * [-1, 1, -1]),
        ("vud", lambda j: j[..., [1, 0, 2]]),
    ],
)
def test_axes(axes, made, tmp_path):
    path = write_predictions(tmp_path / "result.txt", made(JOINTS))
    np.testing.assert_array_equal(read_predictions(path, axes=axes), JOINTS)


@pytest.mark.parametrize("axes", ["", "uv", "uvz", "uud", "x-y--z", "xyzz", "abc"])
def test_axes_that_are_none(axes, tmp_path):
    with pytest.raises(ValueError, match="`axes` must be the letters"):
        read_predictions(tmp_path / "result.txt", axes=axes)


def test_a_subset_of_nyus_joints(tmp_path):
    everything = np.random.default_rng(1).normal(0, 100, (3, 36, 3)).round(3)
    path = write_predictions(tmp_path / "result.txt", everything)
    evaluated = [0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32]
    np.testing.assert_array_equal(read_predictions(path, skeleton=NYU14, order="nyu36"), everything[:, evaluated])
    np.testing.assert_array_equal(read_predictions(path, order=[35, 0]), everything[:, [35, 0]])
    for order, message in (("nyu99", "one of nyu36"), ([36] * 14, "from 0 to 35"), ([1, 2], "each of the 14 joints")):
        with pytest.raises(ValueError, match=message):
            read_predictions(path, skeleton=NYU14, order=order)


@pytest.mark.parametrize(
    ("order", "skeleton", "names"),
    [
        ("thumb-first", MSRA21, "wrist thumb_cmc thumb_mcp thumb_ip thumb_tip index_mcp"),
        ("hands17", MSRA21, "wrist thumb_cmc index_mcp middle_mcp ring_mcp little_mcp thumb_mcp thumb_ip thumb_tip"),
        ("nyu14-ren", NYU14, "palm wrist_left wrist_right thumb_tip thumb_mid thumb_root little_tip little_mid"),
        ("nyu14-lie-x", NYU14, "palm thumb_root thumb_mid thumb_tip index_mid index_tip middle_mid"),
    ],
)
def test_orders_that_others_use(order, skeleton, names):
    order = ORDERS[order]
    assert sorted(order) == list(range(len(skeleton)))
    held = [skeleton.joint_names[order.index(i)] for i in range(len(skeleton))]
    assert held[: len(names.split())] == names.split()


# === Arrays ===


def test_matlab_files(tmp_path):
    path = tmp_path / "result.mat"
    savemat(path, {"xyz_estimation": JOINTS, "note": "a text"})
    np.testing.assert_array_equal(read_predictions(path, skeleton=NYU14, axes="xyz"), JOINTS)
    savemat(path, {"P0_xyz": NUMBERS[:2], "P1_xyz": NUMBERS[2:].astype(np.float32), "other": np.ones((4, 4))})
    np.testing.assert_allclose(read_predictions(path, axes="xyz", variable="P?_xyz"), JOINTS, atol=1e-4)
    np.testing.assert_array_equal(read_predictions(path, axes="xyz", variable="P0_xyz"), JOINTS[:2])
    with pytest.raises(ValueError, match=r"P0_xyz \(2, 42\), P1_xyz \(3, 42\), other \(4, 4\)"):
        read_predictions(path, axes="xyz")
    with pytest.raises(ValueError, match=r"must hold numbers of shape .* \(4, 4\)"):
        read_predictions(path, axes="xyz", variable="other")


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_matlab_files(tmp_path, compressed):
    path = tmp_path / "result.mat"
    savemat(path, {"xyz_estimation": JOINTS}, do_compression=compressed)
    whole = path.read_bytes()
    for damaged in (b"", whole[:127], whole[:300], whole[:140] + b"\xff\x00" * 8 + whole[156:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="result.mat is damaged or no MATLAB file"):
            read_predictions(path, axes="xyz")


def test_numpy_files_hold_numbers_only(tmp_path):
    np.save(tmp_path / "result.npy", JOINTS)
    np.testing.assert_array_equal(read_predictions(tmp_path / "result.npy", skeleton=NYU14), JOINTS)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "several.npz", joints=JOINTS)
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    whole = (tmp_path / "result.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-1])
    (tmp_path / "endless.npy").write_bytes(whole.replace(b"(5, 14, 3), }" + b" " * 9, b"(5000000000, 14, 3), }"))
    for name in ("objects", "several", "cut", "endless"):
        with pytest.raises(ValueError, match=rf"{name}\.npy is no array of numbers, or it is damaged"):
            read_predictions(tmp_path / f"{name}.npy")


# === Writing ===


def test_what_is_written_is_read(tmp_path):
    names = [f"seq/{i:04d}.png" for i in range(5)]
    path = write_predictions(tmp_path / "new" / "result.txt", JOINTS, image_paths=names)
    np.testing.assert_array_equal(read_predictions(path), JOINTS)
    assert read_image_paths(path) == tuple(names)
    assert read_image_paths(write_predictions(path, JOINTS, decimals=1)) is None
    np.testing.assert_allclose(read_predictions(path), JOINTS, atol=0.0501)
    assert os.listdir(path.parent) == ["result.txt"]


@pytest.mark.parametrize(
    ("joints", "names", "message"),
    [
        (NUMBERS, None, r"shape \(frames, joints, 3\)"),
        (JOINTS[:0], None, r"Received: \(0, 14, 3\)"),
        (JOINTS, ["a.png"], "one path without spaces"),
        (JOINTS, ["a b.png"] * 5, "one path without spaces"),
    ],
)
def test_what_cannot_be_written(joints, names, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_predictions(tmp_path / "result.txt", joints, image_paths=names)
    assert not os.listdir(tmp_path)


def test_icvls_own_labels(published):
    path = published / "icvl" / "test_seq_1.txt"
    names = read_image_paths(path)
    assert len(names) == 702 and names[-1] == "test_seq_1/image_0701.png"
    both = read_predictions(published / "icvl" / "icvl_test_groundtruth_label.txt", skeleton=ICVL16)
    np.testing.assert_array_equal(read_predictions(path, skeleton=ICVL16), both[:702])
