"""The import rules of the house: downwards only, and Keras only where it is needed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_handpose

PACKAGE = Path(keras_handpose.__file__).parent

STOREYS = (
    {"checks", "lazy_names"},
    {"cameras", "skeletons", "files", "records"},
    {"preprocessing"},
    {"datasets", "capture", "confidence"},
    {"layers", "engines", "synthetic"},
    {"models"},
    {"exporting"},
    {"estimator", "plotting", "evaluation"},
    {"training", "live"},
    {"tuning"},
    {"cli"},
    {"__main__"},
)
STOREY_OF = {room: storey for storey, rooms in enumerate(STOREYS) for room in rooms}
FRAMEWORKS = {"keras", "tensorflow", "jax", "torch"}
KERAS_ROOMS = {"layers", "models", "training", "tuning", "exporting"}
KERAS_MODULES = {"engines.keras"}
WITHOUT_KERAS = {"models", "models.presets", "models.fetching"}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
}


def imports_of(path: Path) -> list[str]:
    """Names of all modules that a file imports when it runs, wherever in the file."""

    def visit(node: ast.AST):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                yield from visit(other)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            anchor = path.relative_to(PACKAGE.parent).parts[: -node.level or None] if node.level else ()
            origin = ".".join([*anchor, *filter(None, [node.module])])
            # `from keras_handpose import cameras` imports the room, not the hall.
            yield from (f"{origin}.{alias.name}" if origin == "keras_handpose" else origin for alias in node.names)
        else:
            for child in ast.iter_child_nodes(node):
                yield from visit(child)

    return list(visit(ast.parse(path.read_text(encoding="utf-8"))))


def run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down(module):
    room = module.split(".")[0]
    assert room in STOREY_OF, f"{room} stands on no storey; give it one here and in the design"
    for name in imports_of(MODULES[module]):
        if name.startswith("keras_handpose."):
            other = name.split(".")[1]
            assert other == room or other == "__version__" or STOREY_OF[other] < STOREY_OF[room], f"it imports {name}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_frameworks_stay_where_they_belong(module):
    if module.split(".")[0] in KERAS_ROOMS and module not in WITHOUT_KERAS or module in KERAS_MODULES:
        return
    imported = {name.split(".")[0] for name in imports_of(MODULES[module])}
    assert not imported & FRAMEWORKS


def test_layers_and_models_know_no_backend():
    for module, path in MODULES.items():
        if module.split(".")[0] in ("layers", "models"):
            assert not {name.split(".")[0] for name in imports_of(path)} & {"tensorflow", "jax", "torch"}, module


def test_the_hall_is_lazy():
    loaded = run("import sys, keras_handpose; print(*sys.modules)").split()
    assert not {"numpy", "cv2", "matplotlib", "numba", *FRAMEWORKS} & set(loaded)


@pytest.mark.parametrize(
    "statement",
    [
        *(
            f"import keras_handpose.{room}"
            for room in ("cameras", "skeletons", "preprocessing", "synthetic", "plotting", "estimator", "evaluation")
        ),
        "import keras_handpose.models.presets, keras_handpose.models.weights",
        "import keras_handpose as khp; khp.weights.list(), khp.detect_hand, khp.CAMERAS, khp.MSRA21",
        "import runpy; sys.argv[:] = ['keras-handpose', '--help']\n"
        "try: runpy.run_module('keras_handpose', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code",
    ],
)
def test_no_framework_is_loaded_for(statement):
    loaded = run(f"import sys\n{statement}\nprint('loaded:', *sys.modules)").rpartition("loaded:")[2].split()
    assert not FRAMEWORKS & set(loaded)


@pytest.mark.parametrize("kind", ["network", "pipeline"])
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_exported_files_load_their_runtime_only(kind, suffix, exported):
    code = f"""if True:
        import sys
        import numpy as np
        from keras_handpose import HandPoseEstimator
        frame = np.zeros((240, 320), np.uint16)
        frame[95:146, 135:186] = 400
        assert HandPoseEstimator({str(exported[kind, suffix])!r}, camera="msra15")(frame).found
        print("loaded:", *sys.modules)
    """
    loaded = set(run(code).rpartition("loaded:")[2].split())
    runtimes = {".onnx": "onnxruntime", ".tflite": "ai_edge_litert"}
    assert loaded & {*runtimes.values()} == {runtimes[suffix]}
    assert not {"matplotlib", "scipy", "numba", "h5py", *FRAMEWORKS} & loaded


def test_predicting_on_an_exported_file_loads_no_framework(exported, tmp_path):
    frame = tmp_path / "frame.npy"
    np.save(frame, np.pad(np.full((51, 51), 400, np.uint16), ((95, 94), (135, 134))))
    arguments = ["predict", str(frame), "--format", "npy", "--camera", "msra15", "--json"]
    code = f"""if True:
        import sys
        from keras_handpose.cli import main
        sys.argv[1:] = {[*arguments, "--weights", str(exported["pipeline", ".tflite"])]!r}
        try:
            main()
        finally:
            print("loaded:", *sys.modules)
    """
    poses, _, loaded = run(code).rpartition("loaded:")
    assert json.loads(poses)["poses"][0]["found"]
    assert not FRAMEWORKS & set(loaded.split())


def test_evaluation_draws_nothing():
    loaded = run("import sys, keras_handpose.evaluation; print(*sys.modules)").split()
    assert not {"matplotlib", "scipy", "h5py"} & set(loaded)


@pytest.mark.parametrize("name", keras_handpose.__all__)
def test_every_name_of_the_hall_resolves(name):
    value = getattr(keras_handpose, name)
    assert name in dir(keras_handpose)
    if isinstance(value, type) or callable(value):
        assert value.__name__ == name
        assert value.__doc__


def test_the_hall_refuses_other_names():
    with pytest.raises(AttributeError, match="no attribute 'utils'"):
        _ = keras_handpose.utils


def test_stub_and_table_agree():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    imported = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    stubbed = {alias.name: node.module for node in imported for alias in node.names if alias.asname == alias.name}
    origins = {name: f"keras_handpose.{module}" for name, module in keras_handpose._ORIGINS.items()}
    modules = {name: f"keras_handpose.{module}".rpartition(".")[0] for name, module in keras_handpose._MODULES.items()}
    assert stubbed == {**origins, **modules}
