"""The crop store: what goes in comes out, and no damage goes unnoticed."""

from __future__ import annotations

import pickle
import shutil
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from palms import blank_frame, palm_frame

from keras_handpose import CAMERAS, crop_hand
from keras_handpose.cameras import xyz_to_uvd
from keras_handpose.datasets import CropStore
from keras_handpose.datasets.store_file import TABLES, deflate_crop, inflate_crop, text_bytes, write_store
from keras_handpose.skeletons import MSRA21

FRAMES = [
    palm_frame(0, subject="P0", path="P0/a.bin"),
    palm_frame(1, subject="P0", path="P0/b.bin", hand="left"),
    blank_frame(subject="P1", path="P1/blank.bin"),
    palm_frame(2, subject="P1", path="P1/ä.bin", hand="left", camera=CAMERAS["kinect_v2"]),
    palm_frame(3, subject="P2", path="P2/c.bin", camera=CAMERAS["sr305"]),
]
SEEN = np.array([0, 1, 3, 4])


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "crops.h5"
    CropStore.from_frames(path, FRAMES, cube=[250, 240, 230, 220, 300], size=64).close()
    return path


def test_crops_are_the_frames_crops(path):
    with CropStore(path) as store:
        crops = store.crops(SEEN)
        assert (len(store), store.size, store.skeleton, len(crops)) == (5, 64, FRAMES[0].skeleton, 4)
    assert crops.images.dtype == crops.joints_unit.dtype == np.float32 and crops.images.shape == (4, 64, 64, 1)
    for k, i in enumerate(SEEN):
        frame, cube = FRAMES[i], store.cubes[i]
        crop = crop_hand(
            frame.depth, frame.camera, store.centres_xyz[i], cube=cube, size=64, mirror=frame.hand == "left"
        )
        image = crops.images[k, ..., 0]
        np.testing.assert_array_equal(image == 1, crop.image == 1)
        assert 0 < np.abs(image - crop.image).max() * cube / 2 <= 0.0025
        np.testing.assert_array_equal(crops.joints_unit[k], crop.xyz_to_unit(frame.joints_xyz).astype(np.float32))
        mirror = -1 if frame.hand == "left" else 1
        np.testing.assert_array_equal(crops.centres_xyz[k], store.centres_xyz[i] * (mirror, 1, 1))
        assert crops.cubes[k] == cube


def test_tables_are_as_recorded(path):
    store = CropStore(path)
    np.testing.assert_array_equal(store.joints_xyz, [frame.joints_xyz for frame in FRAMES])
    assert store.hands.tolist() == [frame.hand for frame in FRAMES]
    assert store.subjects.tolist() == [frame.subject for frame in FRAMES]
    assert store.paths.tolist() == [frame.path for frame in FRAMES]
    assert store.cubes.tolist() == [250, 240, 230, 220, 300]
    assert store.found.tolist() == [True, True, False, True, True]
    assert np.isnan(store.centres_xyz[2]).all() and np.isnan(store.joints_unit[2]).all()
    assert store.settings["centre"] == "com" and store.settings["size"] == 64


def test_joints_go_back_to_where_they_were_recorded(path):
    store = CropStore(path)
    joints_xyz = store.unit_to_xyz(store.joints_unit[SEEN], SEEN)
    np.testing.assert_allclose(joints_xyz, store.joints_xyz[SEEN], atol=1e-4)
    np.testing.assert_allclose(store.lift(store.project(joints_xyz, SEEN), SEEN), joints_xyz, rtol=0, atol=1e-9)
    for uvd, xyz, i in zip(store.project(joints_xyz, SEEN), joints_xyz, SEEN, strict=True):
        np.testing.assert_allclose(uvd, xyz_to_uvd(xyz, FRAMES[i].camera))
    assert np.isnan(store.unit_to_xyz(np.zeros((1, 21, 3)), [2])).all()
    # The crops' own mm are those of the mirrored hand.
    mirrored = store.crops(np.array([1])).joints_xyz[0]
    np.testing.assert_allclose(mirrored * (-1, 1, 1), FRAMES[1].joints_xyz, atol=1e-4)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, [0, 1, 3, 4]),
        ({"subjects": ["P0", "P2"]}, [0, 1, 4]),
        ({"subjects": "P1"}, [3]),
        ({"leave_out": ("P0",)}, [3, 4]),
        ({"subjects": ("P0", "P1"), "leave_out": "P0"}, [3]),
    ],
)
def test_indices_are_of_frames_with_a_hand(path, choice, expected):
    assert CropStore(path).indices(**choice).tolist() == expected


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda store: store.indices(["P0", "P7"]), "subjects P0, P1, P2. Received: P7"),
        (lambda store: store.indices(leave_out=["P0", "P1", "P2"]), "no crop of these subjects"),
        (lambda store: store.crops(np.array([0, 2])), r"frame 2 \(P1/blank.bin\): no hand was found"),
        (lambda store: store.crops(np.array([5])), "frames 0 to 4. Received: 5"),
        (lambda store: store.crops(np.array([-1])), "frames 0 to 4. Received: -1"),
        (lambda store: store.crops(np.array([True, False])), "whole numbers"),
        (lambda store: store.project(np.zeros((1, 21, 3)), np.array([[0]])), r"shape \(m,\)"),
    ],
)
def test_wrong_questions(path, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(CropStore(path))


def test_threads_closing_and_pickling_do_no_harm(path):
    store = CropStore(path)
    expected = store.crops(SEEN).images
    with ThreadPoolExecutor(8) as pool:
        for crops in pool.map(store.crops, [SEEN] * 200):
            np.testing.assert_array_equal(crops.images, expected)
    store.close()
    np.testing.assert_array_equal(store.crops(SEEN[::-1]).images, expected[::-1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).crops(SEEN).images, expected)


def test_no_question_is_no_crops(path):
    assert CropStore(path).crops(np.array([], int)).images.shape == (0, 64, 64, 1)


def test_what_is_just_inside_stays_inside():
    image = np.float32([[1, np.nextafter(np.float32(1), np.float32(0))], [-0.999999, 0]])
    steps = np.empty_like(image)
    inflate_crop(deflate_crop(image), steps)
    assert steps[0, 0] == 1 and 0.9999 < steps[0, 1] < 1 and steps[1, 1] == 0
    np.testing.assert_allclose(steps, image, atol=1 / 32767)


@pytest.mark.parametrize(
    "chunk",
    [
        b"",
        b"no deflate stream",
        zlib.compress(bytes(2 * 64 * 64 - 1)),
        zlib.compress(bytes(2 * 64 * 64 + 1)),
        zlib.compress(bytes(2**24)),
        deflate_crop(np.ones((64, 64), np.float32))[:-1],
        deflate_crop(np.ones((64, 64), np.float32))[:-4] + b"\0\0\0\0",
    ],
    ids=["empty", "noise", "short", "long", "bomb", "cut", "wrong sum"],
)
def test_a_damaged_chunk_is_noticed(chunk):
    with pytest.raises(ValueError, match="damaged"):
        inflate_crop(chunk, np.empty((64, 64), np.float32))


def cut(share: float):
    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return damage


def edited(edit):
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            edit(file)
            checksum = 0
            for name in TABLES:
                if isinstance(file.get(name), h5py.Dataset) and file[name].dtype.kind != "O":
                    checksum = zlib.crc32(file[name][:], checksum)
            file.attrs["checksum"] = checksum

    return damage


def replaced(name: str, data, **options):
    def edit(file: h5py.File) -> None:
        del file[name]
        if data is not None:
            file.create_dataset(name, data=data, **options)

    return edited(edit)


def assigned(name: str, place, value):
    return edited(lambda file: file[name].__setitem__(place, value))


def flip_a_label(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        place = file["joints_unit"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place + 5] ^= 1
    path.write_bytes(content)


def linked_elsewhere(file: h5py.File) -> None:
    del file["paths"]
    file["paths"] = h5py.ExternalLink("other.h5", "/paths")


def without_a_crop(file: h5py.File) -> None:
    crops = file["crops"]
    chunk = crops.id.read_direct_chunk((0, 0, 0))[1]
    shape, options = crops.shape, {"chunks": crops.chunks, "compression": "gzip", "compression_opts": 1}
    del file["crops"]
    file.create_dataset("crops", shape, "<i2", **options).id.write_direct_chunk((0, 0, 0), chunk)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut(0.0), "HDF5 cannot open it"),
        (cut(0.01), "HDF5 cannot open it"),
        (cut(0.5), "HDF5 cannot open it"),
        (cut(0.999), "HDF5 cannot open it"),
        (lambda path: path.write_text("crops"), "HDF5 cannot open it"),
        (lambda path: h5py.File(path, "w").close(), "another kind of HDF5 file"),
        (edited(lambda file: file.attrs.update(format="weights")), "another kind of HDF5 file"),
        (edited(lambda file: file.attrs.update(version=2)), "of version 2, this package knows version 1"),
        (edited(lambda file: file.attrs.__delitem__("complete")), "not written to its end"),
        (edited(lambda file: file.attrs.update(complete=False)), "not written to its end"),
        (edited(lambda file: file.attrs.update(count=4)), "laid out"),
        (edited(lambda file: file.attrs.update(size=32)), "laid out"),
        (edited(lambda file: file.attrs.update(count="many")), "not a whole crop store"),
        (edited(lambda file: file.attrs.update(skeleton="octopus")), "octopus"),
        (edited(lambda file: file.attrs.update(settings="{")), "not a whole crop store"),
        (edited(lambda file: file.attrs.update(settings="[]")), "settings are none"),
        (flip_a_label, "checksum"),
        (edited(without_a_crop), "1 of 5 crops"),
        (edited(linked_elsewhere), "paths are not in it"),
        (replaced("paths", None), "paths are not in it"),
        (replaced("paths", ["a"] * 5, dtype=h5py.string_dtype()), "paths are object"),
        (replaced("paths", np.full(5, b"a"), dtype="S5000"), "paths are [|]S5000"),
        (edited(lambda file: file.attrs.update(count=np.inf)), "not a whole crop store"),
        (replaced("cubes", np.full(4, 250.0)), "cubes are float64 of shape"),
        (replaced("found", np.full(5, 1.0)), "found are float64"),
        (replaced("crops", np.zeros((5, 64, 64), np.float32)), "laid out"),
        (replaced("crops", np.zeros((5, 64, 64), "<i2"), chunks=(1, 64, 64), compression="lzf"), "laid out"),
        (assigned("centres_xyz", 0, np.nan), "values that no crop has"),
        (assigned("joints_unit", (1, 2, 0), np.inf), "values that no crop has"),
        (assigned("cubes", 0, -250), "values that no crop has"),
        (assigned("hands", 0, b"both"), "values that no crop has"),
        (assigned("found", 2, 1), "values that no crop has"),
        (assigned("paths", 2, b"\xff\xfe"), "not a whole crop store"),
    ],
)
def test_a_damaged_file_is_noticed_when_it_is_opened(path, tmp_path, damage, message):
    broken = tmp_path / "broken.h5"
    shutil.copy(path, broken)
    damage(broken)
    with pytest.raises(OSError, match=message) as raised:
        CropStore(broken)
    assert str(raised.value).startswith(str(broken))


def test_a_file_that_changes_while_it_is_open_is_noticed(path, tmp_path):
    broken = tmp_path / "broken.h5"
    shutil.copy(path, broken)
    store = CropStore(broken)
    store.crops(SEEN)
    with h5py.File(path) as file:
        place = file["crops"].id.get_chunk_info_by_coord((4, 0, 0)).byte_offset
    content = bytearray(broken.read_bytes())
    content[place + 20] ^= 0xFF
    broken.write_bytes(content)
    with pytest.raises(OSError, match="a crop is damaged, that of frame 4"):
        store.crops(np.array([0, 4]))
    store.close()
    for ask in (lambda: store.crops(SEEN), lambda: store.paths):
        with pytest.raises(OSError, match="written anew since it was opened"):
            ask()
    broken.unlink()
    with pytest.raises(OSError, match="moved, deleted or written anew since it was opened"):
        store.crops(SEEN)
    with pytest.raises(FileNotFoundError, match=r"no crop store '.*broken.h5'"):
        CropStore(broken)


def test_memory_does_not_grow_with_the_frames(tmp_path):
    def peak(count: int) -> int:
        """Return the bytes that writing and opening a store of so many frames took at most."""
        file = tmp_path / f"{count}.h5"
        chunk = deflate_crop(np.ones((8, 8), np.float32))
        row = {
            "joints_unit": np.zeros((21, 3)),
            "joints_xyz": np.zeros((21, 3)),
            "centres_xyz": [0, 0, 400],
            "cubes": 250,
            "cameras": [320, 240, 240, 240, 160, 120],
            "hands": "left",
            "subjects": "P0",
            "paths": "P0/5/000000_depth.bin",
            "found": True,
        }
        tables = {name: np.array([value] * 500) for name, value in row.items()}
        longest = {name: text_bytes(column) for name, column in tables.items() if TABLES[name][0] == "S"}
        tracemalloc.start()
        try:
            write_store(
                file,
                (([chunk] * 500, tables) for _ in range(count // 500)),
                count=count,
                longest=longest,
                skeleton=MSRA21,
                size=8,
                settings={},
            )
            store = CropStore(file)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert len(store) == count
            assert store.subjects[-1] == "P0"

    few, many = peak(2_000), peak(20_000)
    a_frame = (many - few) / 18_000
    assert a_frame < 40, f"{a_frame:.0f} bytes a frame: where its crop is, and whether there is one, take 17"
