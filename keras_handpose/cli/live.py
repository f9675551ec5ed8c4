"""``keras-handpose live``: the hand before one's own camera, as it moves."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.live import Live
from rich.text import Text

from keras_handpose.cli.cameras import camera_of
from keras_handpose.cli.output import messages, results, silent_runtimes, to_json

if TYPE_CHECKING:
    from keras_handpose.capture import CapturedFrame, FrameSource
    from keras_handpose.estimator import Pose, StreamStatistics
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
    format: Annotated[
        Literal["depth16", "nyu", "npy"], typer.Option(help="How a folder's files hold depth.")
    ] = "depth16",
    align_to: Annotated[
        Literal["depth", "color"], typer.Option(help="Which RealSense stream's view to use.")
    ] = "depth",
    weights: Annotated[
        str, typer.Option(help="A preset's name, a .weights.h5 file beside its record, or an exported file.")
    ] = "msra",
    engine: Annotated[
        Literal["auto", "keras", "onnx", "litert"],
        typer.Option(help="What runs the network; auto is the fastest there."),
    ] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads for ONNX and LiteRT.", min=1, show_default="1")] = None,
    hand: Annotated[Literal["right", "left", "both"], typer.Option(help="Which hand is in the frames.")] = "right",
    facing: Annotated[
        bool, typer.Option("--facing", help="With --hand both: the camera looks at the person, not along.")
    ] = False,
    viewer: Annotated[Literal["rerun", "window", "none"], typer.Option(help="Where to show the hand.")] = "rerun",
    rrd: Annotated[Path | None, typer.Option(help="File (.rrd) for the Rerun viewer, to be opened later.")] = None,
    video: Annotated[Path | None, typer.Option(help="File (.gif, .mp4) of the frames with the skeleton.")] = None,
    video_width: Annotated[
        int | None, typer.Option(help="Width of the video in px.", min=2, show_default="the frames'")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Folder for the frames and the poses in them.")] = None,
    smooth: Annotated[bool, typer.Option(help="Smooth the joints with a One-Euro filter.")] = True,
    latency_budget: Annotated[
        float | None, typer.Option(help="Drop frames that are older than this, in ms.", min=0.001)
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

    What a viewer, a video or a recording cannot take in time is dropped, as are frames that come while the network
    runs; nothing is queued. With --no-realtime every frame of a file is used.
    """
    from keras_handpose.live import Recorder, watch

    with ExitStack() as stack:
        with messages.status("Opening the source"):
            frame_source = _open(source, camera, depth_scale, format=format, rate=rate, align_to=align_to, hand=hand)
        stack.callback(frame_source.close)
        with messages.status("Loading the network"), silent_runtimes():
            estimator = _estimator(
                weights,
                hand=hand,
                facing=facing,
                camera=frame_source.camera,
                depth_scale=frame_source.depth_scale,
                engine=None if engine == "auto" else engine,
                threads=threads,
            )
        viewers = _viewers(viewer, rrd=rrd, video=video, video_width=video_width)
        recorder = None if record is None else Recorder(record)
        if realtime and not frame_source.live:
            from keras_handpose.capture import Paced

            frame_source = Paced(frame_source, rate=rate)
        stream = estimator.stream(
            frame_source,
            smooth=smooth,
            latency_budget=None if latency_budget is None else latency_budget / 1000,
            rate=rate or 30.0,
        )
        statistics = watch(stream, viewers=viewers, recorder=recorder, frames=frames, seconds=seconds)
    if json:
        typer.echo(to_json({name: value if value == value else None for name, value in asdict(statistics).items()}))
    else:
        results.print(statistics.describe(), highlight=False)
    for path in (rrd, video, record):
        if path is not None and path.exists():
            messages.print(f"Wrote {path}", highlight=False, markup=False)


def _open(
    source: str,
    camera: str | None,
    depth_scale: float | None,
    *,
    format: str,
    rate: float | None,
    align_to: str,
    hand: str,
) -> FrameSource:
    if source == "rendered":
        from keras_handpose.synthetic import RenderedMotion

        given = {} if camera is None else {"camera": camera_of(camera)}
        given |= {} if depth_scale is None else {"depth_scale": depth_scale}
        return RenderedMotion(rate=rate or 30.0, hand="left" if hand == "left" else "right", **given)
    from keras_handpose.capture import open_capture

    known = None if camera is None else camera_of(camera)
    return open_capture(source, camera=known, depth_scale=depth_scale, format=format, rate=rate, align_to=align_to)


def _estimator(weights: str, *, hand: str, facing: bool, **settings):
    from keras_handpose.estimator import BothHands, HandPoseEstimator

    if hand == "both":
        return BothHands(weights, facing=facing, **settings)
    return HandPoseEstimator(weights, hand=hand, **settings)


def _viewers(viewer: str, *, rrd: Path | None, video: Path | None, video_width: int | None) -> list[Viewer]:
    """Open viewers; where one cannot be opened, those before it are closed."""
    from keras_handpose.live import RerunViewer, VideoWriter, WindowViewer

    opened: list[Viewer] = []
    try:
        if viewer == "rerun" or rrd is not None:
            opened.append(RerunViewer(spawn=viewer == "rerun", save=rrd))
        if viewer == "window":
            opened.append(WindowViewer())
        if video is not None:
            opened.append(VideoWriter(video, width=video_width))
        if messages.is_terminal:
            opened.append(_StatusLine())
    except BaseException:
        for each in opened:
            each.close()
        raise
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
