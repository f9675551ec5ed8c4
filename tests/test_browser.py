"""The browser page in examples/: the same joints as in Python, and one clear message for every bad file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import keras_handpose as khp
from keras_handpose.plotting.look import FINGER_COLOURS

PAGE = Path(__file__).parents[1] / "examples" / "browser"
SAMPLES = Path(khp.__file__).parent / "samples"
LABELS = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
PRESETS = [{**label, "camera": asdict(khp.CAMERAS[label["camera"]["name"]])} for label in LABELS]
"""The samples, seen by the page's cameras of these names; one was rendered with other figures."""
SAME_MM = 0.1


def test_the_page_has_the_librarys_cameras():
    cameras = json.loads((PAGE / "cameras.json").read_text(encoding="utf-8"))
    assert cameras == [asdict(camera) for camera in khp.CAMERAS.values()], "write examples/browser/cameras.json anew"


def test_the_page_has_the_librarys_colours():
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    assert all(f"--{finger}: {colour};" in style for finger, colour in FINGER_COLOURS.items())


def test_the_lock_file_names_no_registry():
    packages = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert len(packages) > 4
    assert not [name for name, package in packages.items() if "resolved" in package]


@pytest.fixture(scope="module")
def node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    if not (PAGE / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("the page's packages are not installed: run `npm ci` in examples/browser")
    return node


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Path:
    """The preset, exported as the page's README says."""
    for runtime in ("onnxruntime", "tf2onnx"):
        pytest.importorskip(runtime, reason=f'{runtime} is missing: pip install "keras-handpose[export]"')
    path = tmp_path_factory.mktemp("exported") / "hand.onnx"
    khp.export(khp.HandPoseEstimator("msra", camera="msra15"), path)
    return path


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory, pipeline) -> dict[str, Path]:
    """Files that are no frames or models, by what the message about them says."""
    folder = tmp_path_factory.mktemp("bad")
    sample, model = (SAMPLES / LABELS[0]["file"]).read_bytes(), pipeline.read_bytes()
    depth = cv2.imread(str(SAMPLES / LABELS[0]["file"]), cv2.IMREAD_UNCHANGED)
    grey = (depth >> 4).astype(np.uint8)

    def png(image: np.ndarray) -> bytes:
        return cv2.imencode(".png", image)[1].tobytes()

    def network(**metadata) -> bytes:
        text = json.dumps(metadata)
        return proto_properties(keras_handpose=text, keras_handpose_sha256=hashlib.sha256(text.encode()).hexdigest())

    middle = len(model) // 2
    files = {
        "not a PNG file": ("text.png", b"depth"),
        "8 bits of grey": ("grey.png", png(grey)),
        "8 bits of colour": ("colour.png", png(np.dstack([grey] * 3))),
        "16 bits of colour": ("deep.png", png(np.dstack([depth] * 3))),
        "not complete": ("truncated.png", sample[: len(sample) // 2]),
        "damaged": ("flipped.png", sample[:9000] + bytes([sample[9000] ^ 1]) + sample[9001:]),
        "announces 65535 x 65535 px": ("bomb.png", sample[:16] + b"\0\0\xff\xff" * 2 + sample[24:]),
        "not a model of keras-handpose": ("text.onnx", b"not a model"),
        "not all of it": ("truncated.onnx", model[:middle]),
        "was changed": ("flipped.onnx", model[:middle] + bytes([model[middle] ^ 1]) + model[middle + 1 :]),
        "with --pipeline": ("network.onnx", network(kind="network", format_version=1)),
        "Update the page": ("future.onnx", network(kind="pipeline", format_version=99)),
        "cannot run this model": ("empty.onnx", network(kind="pipeline", format_version=1)),
    }
    for name, content in files.values():
        (folder / name).write_bytes(content)
    return {message: folder / name for message, (name, _) in files.items()}


def proto_properties(**values: str) -> bytes:
    """Return an ONNX file that holds nothing but properties."""
    import onnx

    model = onnx.ModelProto()
    for key, value in values.items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def assert_same_pose(values: dict, label: dict):
    """Compare a pose with that of the same frame from the Keras network."""
    pose = khp.Pose.from_dict(values)
    settings = {"camera": khp.Camera(**label["camera"]), "hand": label["hand"], "depth_scale": label["depth_scale"]}
    assert {key: getattr(pose, key) for key in settings} == settings
    expected = khp.HandPoseEstimator("msra", engine="keras", **settings)(khp.read_depth(SAMPLES / label["file"]))
    assert pose.found and expected.found
    np.testing.assert_allclose(pose.joints_xyz, expected.joints_xyz, rtol=0, atol=SAME_MM)
    np.testing.assert_allclose(values["joints_uvd"], expected.joints_uvd, rtol=0, atol=SAME_MM)
    np.testing.assert_allclose(pose.centre_xyz, expected.centre_xyz, rtol=0, atol=SAME_MM)
    assert pose.score == pose.evidence == pytest.approx(expected.evidence, abs=1e-3)


# === The page's modules in Node: needs no browser ===


def estimate(node: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [node, "estimate.js", *map(str, arguments)]
    return subprocess.run(command, cwd=PAGE, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("label", PRESETS, ids=lambda label: label["sensor"])
def test_estimates_in_node_as_in_python(node, pipeline, label):
    options = {"camera": label["camera"]["name"], "depth-scale": label["depth_scale"], "hand": label["hand"]}
    arguments = [f"--{key}={value}" for key, value in options.items()]
    done = estimate(node, pipeline, SAMPLES / label["file"], *arguments, "--repeat=2")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert 0 < values["milliseconds"]["least"] <= values["milliseconds"]["median"]
    assert_same_pose(values, label)


@pytest.mark.slow
def test_estimate_reports_a_bad_file_in_one_line(node, pipeline, bad_files):
    frame = SAMPLES / LABELS[0]["file"]
    for message, files in (
        ("not complete", (pipeline, bad_files["not complete"])),
        ("was changed", (bad_files["was changed"], frame)),
        ("Give a model, a frame", (pipeline,)),
    ):
        done = estimate(node, *files)
        assert done.returncode == 1 and not done.stdout
        assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1 and message in done.stderr


# === The page in Chromium ===


@pytest.fixture(scope="module")
def address(node) -> Iterator[str]:
    """The page's address while its own server serves it."""
    with subprocess.Popen([node, "serve.js", "0"], cwd=PAGE, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason='Playwright is missing: pip install "keras-handpose[test-browser]"'
    )
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = os.environ.get("KERAS_HANDPOSE_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("there is no Chromium; KERAS_HANDPOSE_CHROMIUM names one elsewhere")
    sandbox = not hasattr(os, "geteuid") or os.geteuid() != 0  # Chromium's sandbox does not work for root.
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, chromium_sandbox=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """The page as a newcomer opens it, without a model; errors in its code fail the test."""
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(120_000)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(error))
    page.route("**/hand.onnx", lambda route: route.fulfill(status=404))
    page.goto(address)
    page.get_by_text("Choose a model").wait_for()
    yield page
    context.close()
    assert not errors


def copied(page) -> dict:
    page.get_by_role("button", name="Copy as JSON").click()
    page.get_by_text("copied").wait_for()
    return json.loads(page.evaluate("navigator.clipboard.readText()"))


def estimate_on(page, label: dict, frame: Path | None = None):
    """Choose what took a frame, then the frame."""
    page.get_by_label("Preset").select_option(label["camera"]["name"])
    page.get_by_label("Depth scale").fill(str(label["depth_scale"]))
    page.get_by_text(label["hand"], exact=True).click()
    page.locator("#frame").set_input_files(frame or SAMPLES / label["file"])


@pytest.mark.slow
def test_shows_the_joints_that_python_finds(page, pipeline):
    page.locator("#model").set_input_files(pipeline)
    page.get_by_text("21 joints").wait_for()
    for label in PRESETS:
        estimate_on(page, label)
        page.get_by_text(f"{label['file']}: a hand in").wait_for()
        values = copied(page)
        assert values["file"] == label["file"]
        assert values["joint_names"] == list(khp.MSRA21.joint_names)
        assert_same_pose(values, label)
        rows = [row.split() for row in page.locator("#joints tr").all_inner_texts()]
        assert [row[0] for row in rows] == values["joint_names"]
        np.testing.assert_allclose(np.float64([row[1:] for row in rows]), values["joints_xyz"], rtol=0, atol=0.051)


@pytest.mark.slow
def test_starts_with_the_model_beside_it_and_a_sample(page, pipeline):
    page.route("**/hand.onnx", lambda route: route.fulfill(path=pipeline))
    page.reload()
    page.get_by_text(f"{LABELS[0]['file']}: a hand in").wait_for()
    page.get_by_role("button", name="active stereo").click()
    page.get_by_text("active_stereo.png: a hand in").wait_for()
    assert page.locator("#camera").input_value() == "realsense_d435"
    assert page.get_by_text("Typical of the model").is_visible()
    assert_same_pose(copied(page), LABELS[2])


@pytest.mark.slow
def test_takes_dropped_files_and_typed_intrinsics(page, pipeline):
    label, typed = LABELS[0], {"fx": 250.5, "fy": 249.5, "cx": 158.0, "cy": 121.0}
    page.locator("#model").set_input_files(pipeline)
    for key, value in typed.items():
        page.locator(f"#{key}").fill(str(value))
    assert page.locator("#camera").input_value() == "custom"
    page.evaluate(
        """async ([url, name]) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([await (await fetch(url)).blob()], name));
            document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer }));
        }""",
        [f"samples/{label['file']}", "dropped.png"],
    )
    page.get_by_text("dropped.png: a hand in").wait_for()
    camera = replace(khp.CAMERAS["msra15"], name="custom", **typed)
    assert_same_pose(copied(page), {**label, "camera": asdict(camera)})


@pytest.mark.slow
def test_says_what_is_wrong_with_a_file_and_goes_on(page, pipeline, bad_files, tmp_path):
    page.locator("#model").set_input_files(pipeline)
    page.get_by_text("21 joints").wait_for()
    for message, path in bad_files.items():
        page.locator("#model" if path.suffix == ".onnx" else "#frame").set_input_files(path)
        page.get_by_role("alert").get_by_text(f"{path.name}: ").wait_for()
        assert message in page.get_by_role("alert").inner_text()
        assert page.locator("#joints tr").count() == 0
    estimate_on(page, LABELS[0])
    page.get_by_text("a hand in").wait_for()
    assert_same_pose(copied(page), LABELS[0])


@pytest.mark.slow
def test_says_what_is_wrong_with_a_camera(page, pipeline):
    page.locator("#model").set_input_files(pipeline)
    estimate_on(page, LABELS[0])
    page.get_by_text("a hand in").wait_for()
    alert = page.get_by_role("alert")
    page.get_by_label("Preset").select_option("nyu")
    alert.get_by_text("320 x 240 px, and nyu takes 640 x 480").wait_for()
    page.locator("#fx").fill("0")
    alert.get_by_text("fx and fy above 0").wait_for()
    page.get_by_label("Preset").select_option("msra15")
    page.get_by_label("Depth scale").fill("")
    alert.get_by_text("depth scale must be above 0").wait_for()
    assert page.get_by_role("button", name="Copy as JSON").is_disabled()


@pytest.mark.slow
def test_says_that_there_is_no_hand(page, pipeline, tmp_path):
    page.locator("#model").set_input_files(pipeline)
    page.locator("#fx").fill("241.42")  # A camera of any frame size.
    for height, width in ((240, 320), (5, 3), (1, 1)):
        path = tmp_path / f"{width}x{height}.png"
        cv2.imwrite(str(path), np.zeros((height, width), np.uint16))
        page.locator("#frame").set_input_files(path)
        page.get_by_text(f"{path.name}: no hand found").wait_for()
        assert page.locator("#joints tr").count() == 0
