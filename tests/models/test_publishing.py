"""Weights on their way from a training run to a mirror and from there, by name, to everybody; and the commands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import test_fetching
import test_weights
from test_fetching import MINE, in_a_process, write_pair
from test_weights import CONTENT, RECORD
from typer.testing import CliRunner, Result

import keras_handpose
from keras_handpose.cli import app
from keras_handpose.models import weights
from keras_handpose.models.presets import Preset

places, mirror, read_only_folder = test_weights.places, test_fetching.mirror, test_fetching.read_only_folder


@pytest.fixture
def trained(places, tmp_path) -> Path:
    """A weight file called "mine" with its record, from somewhere else than the package and the cache."""
    write_pair(tmp_path / "run")
    return tmp_path / "run" / "mine.weights.h5"


def names_in(folder: Path) -> list[str]:
    """Files in a mirror's folder besides the locks of publishers."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


# --- Publishing ---


def test_what_was_published_is_had_by_name(trained, mirror, monkeypatch):
    folder, address, _ = mirror
    preset = weights.publish(trained, folder)
    assert names_in(folder) == ["mine.json", "mine.weights.h5"]
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, address)
    path, record = weights.resolve("mine")
    assert path.read_bytes() == CONTENT
    assert record == preset == Preset(**MINE)


def test_a_new_folder_and_files_that_others_may_read(trained, tmp_path):
    folder = tmp_path / "served" / "hands"
    previous = os.umask(0o022)
    try:
        weights.publish(str(trained), folder.as_uri())
    finally:
        os.umask(previous)
    if os.name == "posix":
        assert [(folder / name).stat().st_mode & 0o777 for name in names_in(folder)] == [0o644, 0o644]


def test_under_another_name(trained, tmp_path, monkeypatch):
    folder = tmp_path / "served"
    preset = weights.publish(trained, folder, name="anna-2")
    assert names_in(folder) == ["anna-2.json", "anna-2.weights.h5"]
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, str(folder))
    assert weights.resolve("anna-2")[1] == preset == Preset(**{**MINE, "name": "anna-2", "file": "anna-2.weights.h5"})
    for name in ("../mine", "mine.weights.h5", ""):
        with pytest.raises(ValueError, match="`name` must be letters"):
            weights.publish(trained, folder, name=name)
    assert names_in(folder) == ["anna-2.json", "anna-2.weights.h5"] and names_in(tmp_path)[-1] == "shipped"


def test_a_renamed_pair_says_what_it_is_called(trained, tmp_path):
    renamed = trained.with_name("best.weights.h5")
    trained.rename(renamed)
    trained.with_name("mine.json").rename(trained.with_name("best.json"))
    with pytest.raises(ValueError, match=r"best\.weights\.h5 has a record of name='mine'.*Say with name="):
        weights.publish(renamed, tmp_path / "served")
    assert not (tmp_path / "served").exists()
    assert weights.publish(renamed, tmp_path / "served", name="best").file == "best.weights.h5"


def test_publishing_again_changes_nothing(trained, tmp_path):
    folder = tmp_path / "served"
    for target in (folder, trained.parent):
        weights.publish(trained, target)
        before = [(target / name).stat() for name in names_in(target)]
        weights.publish(trained, target)
        after = [(target / name).stat() for name in names_in(target)]
        assert [(s.st_mtime_ns, s.st_ino) for s in after] == [(s.st_mtime_ns, s.st_ino) for s in before]


@pytest.mark.parametrize(
    ("content", "changes"),
    [(CONTENT[1:], {}), (CONTENT, {"errors": {"rendered hands": {"mean_mm": 9.0}}})],
    ids=["file", "record"],
)
def test_other_weights_are_only_replaced_if_asked(trained, tmp_path, content, changes):
    folder = tmp_path / "served"
    older = write_pair(folder, content, **changes)
    with pytest.raises(FileExistsError, match=r"mine\..* exists and is another file.*replace=True, --replace"):
        weights.publish(trained, folder)
    assert Preset.read(folder / "mine.json") == older and (folder / "mine.weights.h5").read_bytes() == content
    newer = weights.publish(trained, folder, replace=True)
    assert Preset.read(folder / "mine.json") == newer == Preset(**MINE)
    assert (folder / "mine.weights.h5").read_bytes() == CONTENT
    assert names_in(folder) == ["mine.json", "mine.weights.h5"]


def test_a_file_without_its_record_becomes_a_pair(trained, tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    shutil.copy(trained, folder)
    weights.publish(trained, folder)
    assert Preset.read(folder / "mine.json") == Preset(**MINE)


def test_a_presets_name_is_taken(places, trained, tmp_path):
    places[0].write_bytes(CONTENT[:-1] + b"?")
    other = write_pair(tmp_path / "other", CONTENT[1:])
    assert other.name == "mine"
    with pytest.raises(ValueError, match=r"'tiny' is a preset of the package.*Received: .*mine\.weights\.h5"):
        weights.publish(tmp_path / "other" / "mine.weights.h5", tmp_path / "served", name="tiny", replace=True)
    assert not (tmp_path / "served").exists()
    # The same weights are welcome: so a mirror gets what is too large for the package.
    assert weights.publish(trained, tmp_path / "served", name="tiny").sha256 == RECORD["sha256"]


def test_presets_can_be_published(places, mirror):
    folder, address, _ = mirror
    with pytest.raises(FileNotFoundError, match="no download address is set"):
        weights.publish("tiny", folder)
    places[0].write_bytes(CONTENT)
    assert weights.publish("tiny", folder) == Preset(**RECORD)
    places[0].unlink()
    assert weights.download("tiny", address=address).read_bytes() == CONTENT
    assert weights.publish("tiny", folder, name="copy").file == "copy.weights.h5"


@pytest.mark.parametrize("damage", ["file", "record", "no file", "no record"])
def test_a_pair_that_is_not_whole_is_not_published(trained, tmp_path, damage):
    record = trained.with_name("mine.json")
    match damage:
        case "file":
            trained.write_bytes(CONTENT[:-1] + b"?")
        case "record":
            record.write_text("{}")
        case "no file":
            trained.unlink()
        case "no record":
            record.unlink()
    with pytest.raises((OSError, ValueError), match=r"mine\.(json|weights\.h5)"):
        weights.publish(trained, tmp_path / "served")
    assert not (tmp_path / "served").exists()


@pytest.mark.parametrize("address", ["https://mirror.example/hands", "http://127.0.0.1"])
def test_web_servers_are_not_written_to(trained, tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"must be a folder on this machine. Received: {address}"):
        weights.publish(trained, address)
    assert not (tmp_path / "https:").exists() and not (tmp_path / "http:").exists()


@pytest.mark.parametrize(
    ("folder", "error", "message"),
    [
        (None, TypeError, "must be a path. Received: a NoneType"),
        (5, TypeError, "must be a path. Received: a int"),
        (b"", TypeError, "must be a path. Received: a bytes"),
        ("", ValueError, r"Received: '', which is empty. The folder where you are is '\.'"),
        ("//[x", ValueError, r"must be a folder on this machine. Received: //\[x, which is malformed"),
        ("served\0", ValueError, "which no file can be called"),
        ("~nobody-is-called-so/x", ValueError, "nobody is called so here"),
        (Path("~nobody-is-called-so/x"), ValueError, "nobody is called so here"),
        ("file:served", ValueError, "Received: file:served, which is no whole path on this machine"),
        ("file://server/hands", ValueError, "which is no whole path on this machine"),
        ("ftp://me:secret@mirror.example", ValueError, "Received: ftp://mirror.example, which is of another kind"),
        ("https://me:secret@mirror.example/x?token=secret", ValueError, r"Received: https://mirror\.example/x\?\.\.\."),
        (os.devnull, OSError, f"must be a folder that can be written, or made. Received: {os.devnull} "),
        (
            f"{os.devnull}/served",
            OSError,
            f"must be a folder that can be written, or made. Received: {os.devnull}.served ",
        ),
        ("x" * 300, OSError, "must be a folder that can be written, or made. Received: x"),
    ],
)
def test_what_is_no_folder(trained, tmp_path, monkeypatch, folder, error, message):
    monkeypatch.chdir(tmp_path)
    before = names_in(tmp_path)
    with pytest.raises(error, match=f"`folder` must be .*{message.removeprefix('must be ')}") as caught:
        weights.publish(trained, folder)
    assert not isinstance(caught.value, FileExistsError) and "secret" not in str(caught.value)
    assert names_in(tmp_path) == before


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX limits")
def test_a_full_disk_leaves_the_older_pair(trained, tmp_path, places):
    folder = tmp_path / "served"
    older = write_pair(folder, CONTENT[:1000])
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"try: weights.publish({str(trained)!r}, {str(folder)!r}, replace=True)\nexcept OSError as error: print(error)"
    )
    output = in_a_process(code, places, "").communicate(timeout=60)[0]
    assert "File too large" in output
    assert names_in(folder) == ["mine.json", "mine.weights.h5"]
    older.check(folder / "mine.weights.h5")
    assert Preset.read(folder / "mine.json") == older


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_mirror_that_cannot_be_written(trained, monkeypatch, read_only_folder):
    monkeypatch.setattr(weights, "resolve", lambda weights: (trained, Preset(**MINE)))
    monkeypatch.setattr(weights, "_shipped", dict)
    with pytest.raises(PermissionError, match=f"`folder` must be a folder that can be .*{read_only_folder}"):
        weights.publish(trained, read_only_folder)
    assert not names_in(read_only_folder)


def test_published_weights_are_a_preset_to_everybody(places, tiny_weights, mirror, monkeypatch):
    folder, address, requests = mirror
    weights.publish(tiny_weights, folder, name="mine")
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, address)
    model = keras_handpose.ResidualAttentionRegressor(weights="mine")
    monkeypatch.delenv(weights.ADDRESS_VARIABLE)
    estimator = keras_handpose.HandPoseEstimator("mine", camera="msra15")
    expected = keras_handpose.HandPoseEstimator(tiny_weights, camera="msra15")
    frame = np.pad(np.full((51, 51), 400, np.uint16), ((95, 94), (135, 134)))
    np.testing.assert_array_equal(estimator(frame).joints_xyz, expected(frame).joints_xyz)
    assert model.output_shape == (None, 21, 3)
    assert requests == ["/mine.json", "/mine.weights.h5"]


# --- Commands ---


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["weights", *map(str, arguments)], env={"COLUMNS": "160"})


def error_of(result: Result) -> str:
    """The one line that a failed command wrote to stderr."""
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    return line


def test_publish_and_download_from_the_command_line(trained, mirror, tmp_path, monkeypatch):
    folder, address, requests = mirror
    result = run("publish", trained, folder)
    assert result.exit_code == 0 and not result.stderr
    assert f"Published mine: mine.weights.h5 (0.5 MB) and mine.json in {folder}." in result.stdout
    assert "KERAS_HANDPOSE_WEIGHTS_URL set to that folder" in result.stdout and 'weights="mine" gets' in result.stdout

    assert "'mine' is no preset" in error_of(run("download", "mine", "--address", tmp_path / "nowhere"))
    cached = weights.cache_folder() / "mine.weights.h5"
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, address)
    for _ in range(2):
        assert run("download", "mine").stdout.strip() == f"mine is at {cached}."
    assert requests == ["/mine.json", "/mine.weights.h5", "/mine.json"]
    assert run("verify", "mine").stdout.strip() == f"mine: {cached} is whole."

    listed = run("list")
    rows = {line.split()[1]: line for line in listed.stdout.splitlines() if "msra21" in line}
    assert {name: row.split()[-2] for name, row in rows.items()} == {"mine": "yes", "tiny": "no"}


def test_publish_from_the_command_line_refuses(trained, tmp_path):
    folder = tmp_path / "served"
    write_pair(folder, CONTENT[1:])
    assert "exists and is another file" in error_of(run("publish", trained, folder))
    assert "is a preset of the package" in error_of(
        run("publish", folder / "mine.weights.h5", tmp_path / "new", "--name", "tiny")
    )
    assert "`name` must be letters" in error_of(run("publish", trained, folder, "--name", "a/b"))
    assert "no weights of this name" in error_of(run("publish", "nobody", folder))
    assert "must be a folder" in error_of(run("publish", trained, "https://mirror.example"))
    assert run("publish", trained).exit_code == 2
    assert run("publish", trained, folder, "--replace").exit_code == 0
    assert run("publish", trained, folder, "--name", "other").exit_code == 0
    assert names_in(folder) == ["mine.json", "mine.weights.h5", "other.json", "other.weights.h5"]


def test_a_malformed_record_in_the_cache_is_one_warning(places, caplog):
    cache = weights.cache_folder()
    cache.mkdir(parents=True)
    (cache / "mine.json").write_text("{}")
    listed = run("list")
    assert listed.exit_code == 0 and "tiny" in listed.stdout and "mine" not in listed.stdout
    assert len(caplog.messages) == 1 and "It is passed over" in caplog.text
    assert "not a valid weights record" in error_of(run("verify", "mine"))
    assert "not a valid weights record" in error_of(run("download", "mine"))


def test_verify_finds_what_is_damaged(places, trained):
    places[0].write_bytes(CONTENT)
    assert run("verify").stdout.strip() == f"tiny: {places[0]} is whole."
    places[0].write_bytes(CONTENT[1:])
    assert "511999 bytes, not 512000" in error_of(run("verify"))
    trained.with_name("mine.json").unlink()
    assert r"mine.json does not exist" in error_of(run("verify", trained))
    assert "no weights of this name" in error_of(run("verify", "nobody"))


def test_download_from_the_command_line_refuses(places):
    assert "no download address is set" in error_of(run("download", "tiny"))
    assert "no weights of this name" in error_of(run("download", "nobody"))
    assert "must be http(s)" in error_of(run("download", "tiny", "--address", "ftp://127.0.0.1"))
    assert "ConnectionError" in error_of(run("download", "tiny", "--address", "http://127.0.0.1:9"))


def test_choose_from_the_command_line(places, tiny_weights, tmp_path):
    output = tmp_path / "chosen.weights.h5"
    result = run("choose", tiny_weights, "--output", output, "--skeleton", "msra21", "--camera", "sr305")
    assert result.exit_code == 0, result.output
    assert f"Wrote {output}: msra21" in result.stdout
    record = Preset.read(tmp_path / "chosen.json")
    assert (record.name, record.camera) == ("chosen", "sr305")
    assert run("verify", output).exit_code == 0
    for skeleton, path, message in (
        ("octopus", output, "must be one of msra21"),
        ("hand56", output, "msra21 has no "),
        ("msra21", tmp_path / "x.keras", "must end in .weights.h5"),
    ):
        assert message in error_of(run("choose", tiny_weights, "--output", path, "--skeleton", skeleton))
    assert names_in(tmp_path) == ["chosen.json", "chosen.weights.h5", "shipped"]
