"""Cropping whole datasets: many frames in, one crop store out, whatever happens in between.

Frames are cropped in parts of 256. Each part is a file of its own, written in one step to a folder beside the store to
be, ``NAME.partial``, so that a run that was killed at any moment loses the parts that it was at and nothing else. When
all parts are there they are joined to the store, again in one step, and the folder goes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from keras_handpose.checks import check_path, check_whole
from keras_handpose.datasets.cropping import CropPlan, check_distances
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.store import CropStore
from keras_handpose.datasets.store_file import TABLES, text_bytes, write_store
from keras_handpose.files import whole_file

__all__ = ["prepare"]

_PART = 256
_SETTINGS_FILE = "settings.json"
_REPORTED = "bad_frames"
_NOT_COMPARED = (_REPORTED, "folder")
"""What a store's settings say that is known only when all frames were read, and what may differ between two runs."""


def prepare(
    frames: Sequence[Frame],
    output: str | os.PathLike,
    *,
    centre: str | np.ndarray = "com",
    cube: float | np.ndarray | Mapping[str, float] = 250.0,
    size: int = 128,
    workers: int = 1,
    skip_bad: bool = False,
    centre_name: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> CropStore:
    """Crop all frames of a dataset, or of one's own recordings, to a `CropStore`.

    Interrupted or killed, the same call goes on where it stopped if ``frames`` is a `Dataset`; any other sequence
    cannot say what it holds before it is read, and is read from the start.

    Args:
        frames: A dataset, or a sequence of frames with joints of one layout.
        output: The store to make. One that was made in the same way is left as it is.
        centre: ``"com"`` or ``"ground-truth"``, see `find_centre`; or centres in mm, shape ``(n, 3)``, NaN where there
            is no hand, see `read_centres`.
        cube: Edge of the cubes in mm: one for all, one a frame, shape ``(n,)``, or one a subject by name.
        size: Edge of the crops in px.
        workers: Number of processes for a `Dataset`, of threads for any other sequence. A script that asks for several
            processes does so under ``if __name__ == "__main__":``, as they read it again.
        skip_bad: Whether to go on after frames that cannot be read or are no depth frames. They are in the store as
            frames without a hand, and in its settings with what was wrong with them.
        centre_name: What the store's settings call given centres, such as the name of their file.
        progress: Called with the number of frames that are done, after every 256.

    Returns:
        The store, open.

    Raises:
        FileExistsError: ``output``, or an interrupted run for it, was made in another way.
        OSError, ValueError: A frame is bad and ``skip_bad`` is False; what was done is kept.
        ValueError: There are no frames, centres do not fit the frames, or a cube or ``size`` is not positive.

    Example:
        >>> import tempfile
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.skeletons import MSRA21
        >>> depth, joints_xyz = np.zeros((240, 320), np.float32), np.full((21, 3), [0.0, 0.0, 400.0])
        >>> depth[95:146, 135:186] = 400
        >>> frame = Frame(depth=depth, joints_xyz=joints_xyz, camera=CAMERAS["msra15"], skeleton=MSRA21)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = prepare([frame], f"{folder}/mine.h5", centre="ground-truth")
        ...     store.centres_xyz.tolist(), store.settings["centre"]
        ([[0.0, 0.0, 400.0]], 'ground-truth')
    """
    output = check_path(output, "output")
    workers = check_whole(workers, "workers")
    plan = CropPlan(frames=frames, centre=centre, cube=cube, size=size, skip_bad=skip_bad)
    settings = plan.settings(centre_name)
    if output.is_dir():
        raise IsADirectoryError(f"`output` must be the file to make. Received: {output}, which is a folder.")
    if output.exists():
        return _made_before(output, settings)
    folder = output.with_name(f"{output.name}.partial")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / "lock", timeout=0):
            _begin(folder, settings, goes_on=isinstance(frames, Dataset))
            _crop_parts(plan, folder, workers, progress)
            _join_parts(plan, folder, output, settings)
    except filelock.Timeout:
        raise OSError(f"Another process is preparing {output}. Wait for it, or name another output.") from None
    shutil.rmtree(folder, ignore_errors=True)
    return CropStore(output)


def _made_before(output: Path, settings: dict[str, Any]) -> CropStore:
    """Return the store that is there, if it was made in the same way."""
    store = CropStore(output)
    if "labels_sha256" not in store.settings or _differences(store.settings, settings):
        raise _made_otherwise(output, store.settings, settings)
    return store


def _begin(folder: Path, settings: dict[str, Any], *, goes_on: bool) -> None:
    """Make ready a folder of parts: go on with those that are there, or start anew."""
    record, parts = folder / _SETTINGS_FILE, sorted(folder.glob("*.npz"))
    if goes_on and parts:
        begun = json.loads(record.read_text(encoding="utf-8"))
        if _differences(begun, settings):
            raise _made_otherwise(folder, begun, settings)
        return
    for part in parts:
        part.unlink()
    with whole_file(record) as partial:
        partial.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _differences(made: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    # To pass over bad frames from now on changes nothing of what is there: so far there were none.
    not_compared = (*_NOT_COMPARED, "skip_bad") if settings["skip_bad"] else _NOT_COMPARED
    names = [name for name in {**made, **settings} if name not in not_compared]
    return [name for name in names if made.get(name) != settings.get(name)]


def _made_otherwise(path: Path, made: dict[str, Any], settings: dict[str, Any]) -> FileExistsError:
    changes = [f"{name} {made.get(name)!r}, now {settings.get(name)!r}" for name in _differences(made, settings)]
    how = (
        f"made in another way: {'; '.join(changes)}" if changes else "made of frames that cannot be compared with these"
    )
    return FileExistsError(f"{path} is there already, {how}. Delete it, or name another output.")


def _crop_parts(plan: CropPlan, folder: Path, workers: int, progress: Callable[[int], None] | None) -> None:
    """Crop the parts that are not there yet."""
    starts = [start for start in range(0, len(plan.frames), _PART) if not _part_file(folder, start).is_file()]
    done = len(plan.frames) - sum(min(_PART, len(plan.frames) - start) for start in starts)
    if progress is not None:
        progress(done)
    if not starts:
        return
    pool = _pool(plan, folder, min(workers, len(starts)))
    try:
        for future in as_completed([pool.submit(_save_part, start) for start in starts]):
            done += future.result()
            if progress is not None:
                progress(done)
    except BrokenProcessPool as error:
        raise OSError(
            "A worker process ended before its work was done; what was done is kept. In your own script, call this "
            'under `if __name__ == "__main__":`, as new processes read the script again, or pass workers=1.'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pool(plan: CropPlan, folder: Path, workers: int) -> Executor:
    if workers == 1 or not isinstance(plan.frames, Dataset):
        return ThreadPoolExecutor(workers, initializer=_begin_thread, initargs=(plan, folder))
    context = get_context("spawn")
    # A process that ends while it is handed something large is waited for in vain, so this happens once it has begun.
    desk = context.SimpleQueue()
    threading.Thread(target=lambda: [desk.put((plan, folder)) for _ in range(workers)], daemon=True).start()
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_process, initargs=(desk,))


_work = threading.local()
"""What a worker is at, handed over once, as a dataset's labels are large."""


def _begin_thread(plan: CropPlan, folder: Path) -> None:
    _work.plan, _work.folder = plan, folder


def _begin_process(desk: SimpleQueue) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # It is the first process that ends the others.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _begin_thread(*desk.get())


def _end_with_parent() -> None:
    """End this process when the one that started it is no more, however that came about."""
    parent_process().join()
    os._exit(1)


def _save_part(start: int) -> int:
    """Crop a part and write its file, in one step."""
    plan, folder = _work.plan, _work.folder
    columns = plan.crop(start, min(start + _PART, len(plan.frames)))
    with whole_file(_part_file(folder, start)) as partial, partial.open("wb") as file:
        np.savez(file, **columns)
    return len(columns["found"])


def _part_file(folder: Path, start: int) -> Path:
    return folder / f"{start:09d}.npz"


def _join_parts(plan: CropPlan, folder: Path, output: Path, settings: dict[str, Any]) -> None:
    """Write the store from the parts."""
    count, skeleton = len(plan.frames), plan.skeleton
    bad_frames, longest = _survey(folder, count)

    def parts() -> Iterator[tuple[list[bytes], dict[str, np.ndarray]]]:
        for start in range(0, count, _PART):
            columns = _read_part(_part_file(folder, start))
            chunks = np.split(columns["chunks"], columns["ends"][:-1])
            yield [chunk.tobytes() for chunk in chunks], columns

    joined = folder / "joined.h5"
    settings = settings | {_REPORTED: bad_frames}
    write_store(joined, parts(), count=count, longest=longest, skeleton=skeleton, size=plan.size, settings=settings)
    os.replace(joined, output)


def _survey(folder: Path, count: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return what is wrong with bad frames, and how long the longest texts are.

    Raises:
        ValueError: The centres are not those of the joints.
    """
    bad_frames: list[dict[str, Any]] = []
    longest = {name: 0 for name, (kind, _) in TABLES.items() if kind == "S"}
    distances = np.empty(count, np.float32)
    for start in range(0, count, _PART):
        columns = _read_part(_part_file(folder, start), leave_out="chunks")
        for i in np.flatnonzero(columns["problems"] != ""):
            problem = {"frame": start + int(i), "path": str(columns["paths"][i])}
            bad_frames.append(problem | {"problem": str(columns["problems"][i])})
        for name in longest:
            longest[name] = max(longest[name], text_bytes(columns[name]))
        apart = columns["joints_xyz"].mean(axis=1) - columns["centres_xyz"]
        distances[start : start + _PART] = np.linalg.norm(apart, axis=-1)
    check_distances(distances)
    return bad_frames, longest


def _read_part(path: Path, *, leave_out: str | None = None) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as columns:
            return {name: columns[name] for name in columns if name != leave_out}
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError) as error:
        path.unlink()
        raise OSError(f"{path} was damaged and is deleted. The same call makes it again.") from error
