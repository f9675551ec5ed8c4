"""Model files with a text and a seal: other programs read them, and damage is noticed before a runtime sees it."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest
from exported_models import FORMATS, metadata_of, write_model

from keras_handpose.engines import open_engine, read_metadata
from keras_handpose.engines.sealed_files import seal, unseal


@pytest.fixture(params=FORMATS)
def sealed(request, exported, tmp_path) -> Path:
    path = tmp_path / f"hand{request.param}"
    path.write_bytes(exported["network", request.param].read_bytes())
    return path


def test_onnx_has_the_metadata_where_onnx_has_them(exported):
    import onnx
    import onnxruntime

    path = exported["network", ".onnx"]
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map["keras_handpose"]
    assert metadata == metadata_of().to_json()
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert model.SerializeToString() == path.read_bytes()


def test_tflite_has_the_metadata_where_tflite_has_files(exported):
    with zipfile.ZipFile(exported["network", ".tflite"]) as archive:
        assert archive.testzip() is None
        assert archive.read("keras_handpose.json").decode() == metadata_of().to_json()


def test_sealing_again_replaces_what_was_there(sealed):
    text, before = unseal(sealed), sealed.read_bytes()
    seal(sealed, b"something else")
    assert unseal(sealed) == b"something else"
    seal(sealed, text)
    assert sealed.read_bytes() == before


def test_a_file_cut_off_anywhere_is_refused(sealed):
    whole = sealed.read_bytes()
    lengths = {*range(40), *range(0, len(whole), 997), *range(len(whole) - 120, len(whole))}
    for length in sorted(lengths):
        sealed.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"{sealed.name} is (not a model|damaged)"):
            open_engine(sealed)


def test_a_file_with_a_wrong_byte_is_refused(sealed):
    whole = sealed.read_bytes()
    rng = random.Random(0)
    start = whole.index(b"format_version")  # Behind it come a few bytes that say nothing, such as the archive's dates.
    for position in [*rng.sample(range(start), 300), *range(start, start + 20)]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << rng.randrange(8)
        sealed.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{sealed.name} is (not a model|damaged)"):
            open_engine(sealed)


def test_random_damage_never_ends_in_another_error(sealed):
    whole = sealed.read_bytes()
    rng = random.Random(1)
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 9)):
            damaged[-rng.randrange(1, 4000)] = rng.randrange(256)
        sealed.write_bytes(damaged)
        try:
            assert read_metadata(sealed) == metadata_of()
        except ValueError as error:
            assert sealed.name in str(error)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"TFL3", b"some text\n" * 99, b"\x1c\0\0\0TFL3" + bytes(99), b"\xff" * 99]
)
def test_files_that_are_no_models_are_refused(suffix, content, tmp_path):
    path = tmp_path / f"hand{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a model that keras-handpose exported"):
        open_engine(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_models_of_other_projects_are_refused(suffix, tmp_path):
    with pytest.raises(ValueError, match="has no metadata of keras-handpose"):
        open_engine(write_model(tmp_path / f"hand{suffix}", "network"))


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "hand.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(99))
    for compression, size in ((zipfile.ZIP_DEFLATED, 50_000_000), (zipfile.ZIP_STORED, 1_000_001)):
        with path.open("r+b") as file, zipfile.ZipFile(file, "a", compression) as archive:
            archive.writestr("keras_handpose.json", bytes(size))
            archive.writestr("keras_handpose.sha256", "0" * 64)
        with pytest.raises(ValueError, match="not as keras-handpose writes them"):
            unseal(path)
        path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(99))


def test_what_is_no_file_or_of_another_format_is_refused(tmp_path, sealed):
    with pytest.raises(FileNotFoundError, match="no model file"):
        unseal(tmp_path / "nowhere.onnx")
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(FileNotFoundError, match="no model file"):
        unseal(tmp_path / "folder.tflite")
    with pytest.raises(ValueError, match="ends in .onnx or .tflite"):
        unseal(tmp_path / "hand.pt")
    with pytest.raises(ValueError, match="at most 1000000 bytes"):
        seal(sealed, bytes(1_000_001))
    (tmp_path / f"link{sealed.suffix}").symlink_to(sealed)
    assert unseal(tmp_path / f"link{sealed.suffix}") == unseal(sealed)
