"""``keras-handpose live``: the hand before one's own camera, as it moves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.live import Live
from rich.text import Text

from keras_handpose.cli.cameras import camera_of
from keras_handpose.cli.folders import Known, known_of
from keras_handpose.cli.options import engine_option, format_option
from keras_handpose.cli.output import messages, results, say, silent_runtimes, to_json

if TYPE_CHECKING:
    from keras_handpose.capture import CapturedFrame, FrameSource
    from keras_handpose.estimator import Pose, Stream, StreamStatistics
    from keras_handpose.live import Viewer

__all__ = ["live"]


def live(
    source: Annotated[
        str,
        typer.Option(
            help="realsense[:SERIAL], folder:PATH, recording:FILE (.bag, .db3), npz:FILE, or rendered, a hand that "
            "needs no camera."
        ),
    ],
    camera: Annotated[
        str | None,
        typer.Option(help="A camera's name, or fx,fy,cx,cy,width,height in px.", show_default="what the source says"),
    ] = None,
    depth_scale: Annotated[
        float | None, typer.Option(help="Millimetres in one unit of the frames.", show_default="what the source says")
    ] = None,
    format: Annotated[Literal["depth16", "nyu", "npy"] | None, format_option] = None,
    align_to: Annotated[
        Literal["depth", "color"], typer.Option(help="Which RealSense stream's view to use.")
    ] = "depth",
    weights: Annotated[
        str, typer.Option(help="A preset's name, a .weights.h5 file beside its record, or an exported file.")
    ] = "msra",
    engine: Annotated[Literal["keras", "onnx", "litert"] | None, engine_option] = None,
    threads: Annotated[int | None, typer.Option(help="Threads for ONNX and LiteRT.", min=1, show_default="1")] = None,
    hand: Annotated[
        Literal["right", "left", "both"] | None,
        typer.Option(help="Which hand is in the frames.", show_default="what the folder says, or right"),
    ] = None,
    facing: Annotated[
        bool, typer.Option("--facing", help="With --hand both: the camera looks at the person, not along.")
    ] = False,
    viewer: Annotated[Literal["rerun", "window", "none"], typer.Option(help="Where to show the hand.")] = "rerun",
    rrd: Annotated[Path | None, typer.Option(help="File (.rrd) for the Rerun viewer, to be opened later.")] = None,
    video: Annotated[Path | None, typer.Option(help="File (.gif, .mp4) of the frames with the skeleton.")] = None,
    video_width: Annotated[
        int | None, typer.Option(help="Width of the video in px.", min=2, show_default="the frames'")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Folder for the frames and the poses in them, as they are shown.")
    ] = None,
    smooth: Annotated[bool, typer.Option(help="Smooth the joints with a One-Euro filter.")] = True,
    latency_budget_ms: Annotated[
        float | None, typer.Option(help="Drop frames that are older than this.", min=0.001)
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Frames per second, of a device or of files.", min=0.001)] = None,
    realtime: Annotated[
        bool, typer.Option(help="Play files as fast as they were taken, and drop frames as a camera would.")
    ] = True,
    frames: Annotated[int | None, typer.Option(help="Frames after which to end.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="Time after which to end.", min=0)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print how it kept up as JSON.")] = False,
) -> None:
    """Follow a hand before a camera, and show its skeleton as it moves. Ctrl+C ends it.

    Frames that come while the network runs, or while something that shows or records them is not ready, are dropped;
    nothing is queued. With --no-realtime every frame of a file is used. A folder that this command recorded says which
    camera took its frames, their scale, and which hands to follow.
    """
    from keras_handpose.live import Recorder, watch

    known = _known_of(source, camera)
    hand = hand or known.hand
    if facing and hand != "both":
        raise ValueError(f"`--facing` is for two hands: add --hand both. Received: --hand {hand}.")
    started = time() - 1.0
    with ExitStack() as stack:
        # What is written comes first: nothing is opened in vain, and nothing is overwritten.
        recorder = None if record is None else stack.enter_context(Recorder(record))
        viewers = _viewers(stack, viewer, rrd=rrd, video=video, video_width=video_width)
        with messages.status("Opening the source"):
            frame_source = _open(
                source, camera, depth_scale, known, format=format, rate=rate, align_to=align_to, hand=hand
            )
        stack.callback(frame_source.close)
        with messages.status("Loading the network"), silent_runtimes():
            estimator = _estimator(
                weights,
                hand=hand,
                facing=facing,
                camera=frame_source.camera,
                depth_scale=frame_source.depth_scale,
                engine=engine,
                threads=threads,
            )
        if realtime and not frame_source.live:
            from keras_handpose.capture import Paced

            frame_source = Paced(frame_source, rate=rate)
        stream = estimator.stream(
            frame_source,
            smooth=smooth,
            latency_budget=None if latency_budget_ms is None else latency_budget_ms / 1000,
            rate=rate or 30.0,
        )
        with _closed_by_signals(stream):
            statistics = watch(stream, viewers=viewers, recorder=recorder, frames=frames, seconds=seconds)
    if json:
        typer.echo(to_json({name: value if value == value else None for name, value in asdict(statistics).items()}))
    else:
        results.print(statistics.describe(), highlight=False, soft_wrap=True)
    for path in (rrd, video, record):
        if path is not None and path.exists() and path.stat().st_mtime >= started:
            say(f"Wrote {path}")


@contextmanager
def _closed_by_signals(stream: Stream) -> Iterator[None]:
    """End a stream after the frame that it is at, so that files become whole: with Ctrl+C, also where the terminal is
    closed or the process is asked to end. Ctrl+C again ends at once."""

    def close(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stream.close()

    ends = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        ends = []  # Only the main thread may say what signals do.
    before = {end: signal.signal(end, close) for end in ends}
    try:
        yield
    finally:
        for end, handler in before.items():
            signal.signal(end, handler)


def _known_of(source: str, camera: str | None) -> Known:
    """Return what a folder says of its frames."""
    kind, _, place = source.partition(":")
    return known_of(Path(place), camera_given=camera is not None) if kind == "folder" and place else Known()


def _open(
    source: str,
    camera: str | None,
    depth_scale: float | None,
    known: Known,
    *,
    format: str | None,
    rate: float | None,
    align_to: str,
    hand: str,
) -> FrameSource:
    if source == "rendered":
        from keras_handpose.synthetic import RenderedMotion

        given = {} if camera is None else {"camera": camera_of(camera)}
        given |= {} if depth_scale is None else {"depth_scale": depth_scale}
        return RenderedMotion(rate=rate or 30.0, hand="left" if hand == "left" else "right", **given)
    from keras_handpose.capture import SOURCES, open_capture

    if source.partition(":")[0] not in {name.partition(":")[0] for name in SOURCES}:
        raise ValueError(f"`--source` must be one of {', '.join(SOURCES)}, rendered. Received: {source!r}.")
    camera = known.camera if camera is None else camera_of(camera)
    if known.scales and depth_scale is None:
        depth_scale = known.depth_scale([*known.scales])
    return open_capture(source, camera=camera, depth_scale=depth_scale, format=format, rate=rate, align_to=align_to)


def _estimator(weights: str, *, hand: str, facing: bool, **settings):
    from keras_handpose.estimator import BothHands, HandPoseEstimator

    if hand == "both":
        return BothHands(weights, facing=facing, **settings)
    return HandPoseEstimator(weights, hand=hand, **settings)


def _viewers(
    stack: ExitStack, viewer: str, *, rrd: Path | None, video: Path | None, video_width: int | None
) -> list[Viewer]:
    """Open viewers, which the stack closes."""
    from keras_handpose.live import RerunViewer, VideoWriter, WindowViewer

    opened: list[Viewer] = []

    def add(each: Viewer) -> None:
        stack.callback(each.close)
        opened.append(each)

    if video is not None:
        add(VideoWriter(video, width=video_width))
    if viewer == "window":
        add(WindowViewer())
    if viewer == "rerun" or rrd is not None:
        add(RerunViewer(spawn=viewer == "rerun", save=rrd))
    if messages.is_terminal:
        add(_StatusLine())
    return opened


class _StatusLine:
    """Frame rate and latency in the terminal's last line; a `Viewer`."""

    open = True

    def __init__(self) -> None:
        self._line = Live(console=messages, refresh_per_second=8, transient=True)
        self._line.start()

    def show(self, frame: CapturedFrame, poses: tuple[Pose, ...], statistics: StreamStatistics) -> None:
        seen = ", ".join(f"{pose.hand} {pose.score:.2f}" for pose in poses if pose.found) or "no hand"
        self._line.update(Text(f"{seen} | {statistics.describe()}", overflow="ellipsis", no_wrap=True))

    def close(self) -> None:
        self._line.stop()
