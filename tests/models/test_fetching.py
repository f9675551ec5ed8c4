"""Downloads from real servers on the loopback and from folders, whole or not at all."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import pytest
import test_weights
from test_weights import CONTENT, RECORD, left_behind

import keras_handpose
from keras_handpose.models import fetching, weights
from keras_handpose.models.presets import Preset

places = test_weights.places
MINE = {**RECORD, "name": "mine", "file": "mine.weights.h5"}


@pytest.fixture
def mirror(tmp_path):
    """A folder that a web server on the loopback offers, its address, and the requests it got."""
    folder, requests = tmp_path / "mirror", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            requests.append(self.path)

    with serving(functools.partial(Handler, directory=folder)) as address:
        yield folder, address, requests


class serving:
    """Serves a request handler on a free port of the loopback while the block runs."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            if not isinstance(sys.exception(), ConnectionError):  # Those are clients that had enough.
                super().handle_error(request, client_address)

    def __init__(self, handler):
        self.server = self.Server(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def answering(answer):
    """A request handler that lists the paths it was asked for in ``requests`` and then does as ``answer`` says."""

    class Handler(http.server.BaseHTTPRequestHandler):
        requests = []

        def do_GET(self):
            self.requests.append(self.path)
            answer(self)

        def log_message(self, *args):
            pass

    return Handler


def send(handler, content: bytes, *, status: int = 200, size: int | None = None, **headers: str) -> None:
    """Answer with a content, or with the first part of one of that size."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(size or len(content)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def test_download_from_a_server(places, mirror, monkeypatch):
    folder, address, requests = mirror
    (folder / "tiny.weights.h5").write_bytes(CONTENT)
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, f"{address}/")
    for _ in range(2):
        assert weights.resolve("tiny") == (places[1], Preset(**RECORD))
    assert len(requests) == 1
    assert places[1].read_bytes() == CONTENT
    assert left_behind(places[1]) == {"tiny.weights.h5"}


def test_download_replaces_a_damaged_copy(places, mirror):
    folder, address, _ = mirror
    (folder / "tiny.weights.h5").write_bytes(CONTENT)
    places[1].parent.mkdir(parents=True)
    places[1].write_bytes(b"damaged")
    assert weights.download("tiny", address=address).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "message", "attempts"),
    [
        (None, "HTTPError: 404", 1),
        (CONTENT[:1000], "1000 bytes, not 512000", 3),
        (b"?" + CONTENT[1:], "its SHA-256 is", 3),
        (CONTENT * 2, "more bytes than the record says", 3),
        (b"", "0 bytes, not 512000", 3),
    ],
    ids=["missing", "truncated", "wrong", "longer", "empty"],
)
@pytest.mark.parametrize("earlier", [None, b"an older file"])
def test_a_bad_mirror_leaves_nothing(places, mirror, content, message, attempts, earlier):
    folder, address, requests = mirror
    if content is not None:
        (folder / "tiny.weights.h5").write_bytes(content)
    if earlier is not None:
        places[1].parent.mkdir(parents=True)
        places[1].write_bytes(earlier)
    with pytest.raises(OSError, match=message) as caught:
        weights.download("tiny", address=address)
    for part in (f"{address}/tiny.weights.h5", str(places[1]), weights.ADDRESS_VARIABLE):
        assert part in str(caught.value)
    assert sum(request == "/tiny.weights.h5" for request in requests) >= attempts
    assert left_behind(places[1]) == (set() if earlier is None else {"tiny.weights.h5"})
    assert earlier is None or places[1].read_bytes() == earlier


def test_a_connection_that_breaks_is_tried_again(places):
    def answer(handler):
        count = len(handler.requests)
        send(handler, CONTENT if count == 3 else CONTENT[: count * 1000], size=len(CONTENT))

    handler = answering(answer)
    with serving(handler) as address:
        assert weights.download("tiny", address=address).read_bytes() == CONTENT
    assert len(handler.requests) == 3


def test_a_server_that_is_down_for_a_moment_is_tried_again(places):
    handler = answering(lambda handler: send(handler, CONTENT, status=503 if len(handler.requests) < 3 else 200))
    with serving(handler) as address:
        assert weights.download("tiny", address=address).read_bytes() == CONTENT
    assert left_behind(places[1]) == {"tiny.weights.h5"}


def test_a_slow_server_may_take_its_time(places, monkeypatch):
    monkeypatch.setattr(fetching, "_TIMEOUT", 0.5)

    def answer(handler):
        send(handler, CONTENT[:1000], size=len(CONTENT))
        for start in range(1000, len(CONTENT), 100_000):
            time.sleep(0.15)  # 0.9 s in all: nearly twice as long as it may keep silent.
            handler.wfile.write(CONTENT[start : start + 100_000])

    handler = answering(answer)
    with serving(handler) as address:
        assert weights.download("tiny", address=address).read_bytes() == CONTENT
    assert len(handler.requests) == 1


@pytest.mark.parametrize("sent", [0, 1000], ids=["at once", "half-way"])
def test_a_silent_server_times_out(places, monkeypatch, sent):
    monkeypatch.setattr(fetching, "_TIMEOUT", 0.1)
    over = threading.Event()

    def answer(handler):
        if sent:
            send(handler, CONTENT[:sent], size=len(CONTENT))
        over.wait(20)

    with serving(answering(answer)) as address:
        with pytest.raises(OSError, match="Read timed out"):
            weights.download("tiny", address=address)
        over.set()
    assert left_behind(places[1]) == set()


def test_redirects_are_followed_but_not_in_circles(places):
    def answer(handler):
        if handler.path.startswith("/moved"):
            send(handler, CONTENT)
        else:
            send(handler, b"", status=302, Location="/moved" if handler.path.startswith("/old") else handler.path)

    handler = answering(answer)
    with serving(handler) as address:
        with pytest.raises(OSError, match="TooManyRedirects"):
            weights.download("tiny", address=f"{address}/circle")
        assert len(handler.requests) < 40  # One attempt: the next one would end as this one did.
        assert left_behind(places[1]) == set()
        assert weights.download("tiny", address=f"{address}/old").read_bytes() == CONTENT


def test_no_network(places):
    with serving(http.server.BaseHTTPRequestHandler) as address:
        pass  # The port was free a moment ago and is free again.
    for name in ("tiny", "mine"):
        with pytest.raises(OSError, match=f"ConnectionError.*{weights.ADDRESS_VARIABLE}"):
            weights.download(name, address=address)
    assert left_behind(places[1]) == set()


ADDRESSES_WITH_SECRETS = ["http://me:k3y@{}/hands", "http://{}/hands?token=k3y", "http://me:k3y@k3y@{}/?k3y"]


def all_that_is_shown(error: BaseException, caplog) -> str:
    return "".join(traceback.format_exception(error)) + caplog.text


@pytest.mark.parametrize("address", ADDRESSES_WITH_SECRETS)
@pytest.mark.parametrize("status", [None, 404, 503, 302])
def test_secrets_are_not_shown(places, monkeypatch, caplog, address, status):
    caplog.set_level("INFO", "keras_handpose")

    def answer(handler):
        send(handler, b"", status=status, Location=f"{handler.path}&to=k3y")

    handler = answering(answer)
    with serving(handler) as served:
        place = served.removeprefix("http://") if status else "127.0.0.1:9"
        monkeypatch.setenv(weights.ADDRESS_VARIABLE, address.format(place))
        for name in ("tiny", "mine"):
            with pytest.raises(OSError, match=f"could not be fetched from http://{place}/.*{name}") as caught:
                weights.resolve(name)
            assert "k3y" not in all_that_is_shown(caught.value, caplog)
            assert ("Trying again" in caplog.text) == (status in (None, 503))


def test_a_query_goes_with_every_file(places):
    contents = {"/hands/mine.json": json.dumps(MINE).encode(), "/hands/mine.weights.h5": CONTENT}

    def answer(handler):
        path, _, query = handler.path.partition("?")
        is_known = path in contents and query == "token=a/b&v=2"
        send(handler, contents[path] if is_known else b"", status=200 if is_known else 403)

    handler = answering(answer)
    with serving(handler) as address:
        assert weights.download("mine", address=f"{address}/hands/?token=a/b&v=2").read_bytes() == CONTENT
        with pytest.raises(OSError, match="HTTPError: 403"):
            weights.download("mine", address=f"{address}/hands?token=c")
    assert handler.requests == [
        "/hands/mine.json?token=a/b&v=2",
        "/hands/mine.weights.h5?token=a/b&v=2",
        "/hands/mine.json?token=c",
    ]


@pytest.mark.parametrize("form", [str, lambda folder: folder.as_uri(), lambda folder: f"{folder}/"])
def test_download_from_a_folder(places, tmp_path, form):
    folder = tmp_path / "a folder"
    folder.mkdir()
    with pytest.raises(OSError, match=r"FileNotFoundError.*a folder.tiny\.weights\.h5"):
        weights.download("tiny", address=form(folder))
    (folder / "tiny.weights.h5").write_bytes(CONTENT[1:])
    with pytest.raises(OSError, match="511999 bytes"):
        weights.download("tiny", address=form(folder))
    assert left_behind(places[1]) == set()
    (folder / "tiny.weights.h5").write_bytes(CONTENT)
    assert weights.download("tiny", address=form(folder)).read_bytes() == CONTENT
    assert left_behind(places[1]) == {"tiny.weights.h5"}


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/", "s3://hands", "file://server/hands"])
def test_unknown_kinds_of_address(places, monkeypatch, address):
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, address)
    with pytest.raises(ValueError, match=f"must be http.*Received: {address}"):
        weights.resolve("tiny")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("https://mirror.example/x#top", r"Received: https://mirror.example/x\.\.\., which has a fragment; leave out"),
        ("https://mirror.example/x?token=secret#", r"Received: https://mirror.example/x\.\.\., which has a fragment"),
        ("https://mirror.example/my hands", "Received: https://mirror.example/my hands, which has spaces"),
        ("https://me:secret word@mirror.example/", "Received: https://mirror.example/, which has spaces"),
        ("https://me:secret/word@mirror.example/", "Received: https://mirror.example/, which is malformed"),
        ("https:///hands", "which names no host"),
        ("https://mirror..example/hands", "in which no host can be called so"),
        ("me:secret@mirror.example/hands", "which is no folder; a web address begins"),
        ("//me:secret@mirror.example/hands", "which is no folder; a web address begins with https://"),
        ("mirror.example/hands?token=secret", r"hands\.\.\., which is no folder; a web address begins with https://"),
        ("https:mirror.example", "which names no host"),
        ("https://mirror.example:port/", "which is malformed"),
        ("https://[mirror.example/", "which is malformed"),
        ("file:///srv/hands?token=secret", r"Received: file:///srv/hands\.\.\., in which \? is written %3F"),
        ("file:hands", "which is no whole path on this machine"),
        ("", "which is empty"),
        ("hands\0", "which no file can be called"),
        ("~nobody-is-called-so/hands", "nobody is called so here"),
    ],
)
def test_malformed_addresses(places, monkeypatch, address, message):
    with pytest.raises(ValueError, match=f"`address` must be .*{message}") as caught:
        weights.download("tiny", address=address)
    assert "secret" not in str(caught.value)
    if address and "\0" not in address:
        monkeypatch.setenv(weights.ADDRESS_VARIABLE, address)
        with pytest.raises(ValueError, match=f"`{weights.ADDRESS_VARIABLE}` must be .*{message}"):
            weights.resolve("tiny")


@pytest.mark.parametrize("address", [5, b"", b"hands", ["hands"]])
def test_what_is_no_address(places, address):
    with pytest.raises(TypeError, match="`address` must be a path. Received: a "):
        weights.download("tiny", address=address)


@pytest.fixture
def read_only_folder():
    """A folder that this process cannot write to, even where the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield folder
    if is_root:
        os.seteuid(0)
    shutil.rmtree(folder)


@contextlib.contextmanager
def writable(folder: Path):
    """Let this process write to the folder while the block runs; all in it is read-only thereafter."""
    effective = os.geteuid()
    os.seteuid(os.getuid())
    folder.chmod(0o755)
    yield
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    os.seteuid(effective)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_cache_that_cannot_be_written(monkeypatch, read_only_folder):
    monkeypatch.setattr(weights, "_shipped", lambda: {"tiny": Preset(**RECORD)})
    monkeypatch.setenv("KERAS_HOME", str(read_only_folder))
    with pytest.raises(OSError, match=r"PermissionError.*KERAS_HOME moves it"):
        weights.download("tiny", address=str(read_only_folder))
    assert not list(read_only_folder.iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_cache_that_can_only_be_read_will_do(monkeypatch, read_only_folder):
    cache = read_only_folder / "keras_handpose"
    with writable(read_only_folder):
        preset = write_pair(cache)
    monkeypatch.setattr(weights, "_shipped", dict)
    monkeypatch.setenv("KERAS_HOME", str(read_only_folder))
    monkeypatch.delenv(weights.ADDRESS_VARIABLE, raising=False)
    assert weights.resolve("mine") == (cache / "mine.weights.h5", preset)
    with writable(read_only_folder):
        newer = write_pair(read_only_folder / "mirror", CONTENT[1:])
    with pytest.raises(OSError, match=r"PermissionError.*KERAS_HOME moves it"):
        weights.download("mine", address=str(read_only_folder / "mirror"))
    assert weights.resolve("mine") == (cache / "mine.weights.h5", preset) and preset != newer


# --- Other processes ---


def in_a_process(code: str, places, address: str, *, wrapper: tuple[str, ...] = ()) -> subprocess.Popen:
    """Start a process with the tests' places and address that runs some code after importing `weights`."""
    lines = (
        "import pathlib; from keras_handpose.models import fetching, weights",
        f"weights._shipped_folder = lambda: pathlib.Path({str(places[0].parent)!r})",
        "fetching._PAUSES = 0, 0",
        code,
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(keras_handpose.__file__).parents[1]),
        "KERAS_HOME": str(places[1].parents[1]),
        weights.ADDRESS_VARIABLE: address,
    }
    command = [*wrapper, sys.executable, "-c", "\n".join(lines)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


SMALL_FILES = ("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))", ())
SMALL_DISK = ("", ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=256k none "$KERAS_HOME" && exec "$@"', "sh"))


def may_mount() -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", tempfile.gettempdir()]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
@pytest.mark.parametrize("name", ["tiny", "mine"])
@pytest.mark.parametrize(
    ("limit", "reason"), [(SMALL_FILES, "File too large"), (SMALL_DISK, "No space left on device")]
)
def test_a_full_disk(places, mirror, name, limit, reason):
    if limit is SMALL_DISK and not may_mount():
        pytest.skip("this system lets nobody but root mount a small disk")
    folder, address, requests = mirror
    (folder / f"{name}.weights.h5").write_bytes(CONTENT)
    (folder / "mine.json").write_text(json.dumps(MINE))
    places[1].parents[1].mkdir()
    setup, wrapper = limit
    code = (
        f"{setup}\ntry: weights.resolve({name!r})\nexcept OSError as error: print(error)\n"
        "print(sorted(path.name for path in weights.cache_folder().iterdir() if path.suffix != '.lock'))"
    )
    message, left = in_a_process(code, places, address, wrapper=wrapper).communicate(timeout=60)[0].splitlines()
    assert reason in message and str(places[1].parent) in message and "KERAS_HOME moves it" in message
    assert left == "[]"
    assert requests.count(f"/{name}.weights.h5") == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "mine"])
def test_processes_share_one_download(places, name):
    def answer(handler):
        if handler.path == "/mine.json":
            send(handler, json.dumps(MINE).encode())
            return
        send(handler, CONTENT[:1000], size=len(CONTENT))
        time.sleep(3)  # Long enough for the others to arrive.
        handler.wfile.write(CONTENT[1000:])

    handler = answering(answer)
    with serving(handler) as address:
        started = [in_a_process(f"print(weights.resolve({name!r})[0])", places, address) for _ in range(3)]
        outputs = [process.communicate(timeout=60)[0].strip() for process in started]
    cached = places[1].with_name(f"{name}.weights.h5")
    assert outputs == [str(cached)] * 3
    assert handler.requests.count(f"/{cached.name}") == 1
    assert cached.read_bytes() == CONTENT
    assert left_behind(cached) == {cached.name} | ({"mine.json"} if name == "mine" else set())


# --- A mirror's own weights ---


@pytest.fixture
def own(places, mirror, monkeypatch):
    """A mirror with weights that no preset of the package has: its folder, its address, its requests, the cache."""
    folder, address, requests = mirror
    write_pair(folder)
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, address)
    return folder, address, requests, places[1].parent


def write_pair(folder: Path, content: bytes = CONTENT, **changes: object) -> Preset:
    """Write weights called "mine", unless their record is changed."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {**MINE, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), **changes}
    (folder / "mine.weights.h5").write_bytes(content)
    (folder / "mine.json").write_text(json.dumps(record))
    return Preset(**record)


def test_a_mirrors_own_weights_are_fetched_once_and_then_used_offline(own, monkeypatch, caplog):
    folder, _, requests, cache = own
    with pytest.raises(ValueError, match="no weights of this name"):
        weights.locate("mine")
    assert weights.resolve("mine") == (cache / "mine.weights.h5", Preset(**MINE))
    assert requests == ["/mine.json", "/mine.weights.h5"]
    assert {path.name for path in cache.iterdir()} - {"mine.weights.h5.lock"} == {"mine.json", "mine.weights.h5"}

    write_pair(folder, CONTENT[1:])  # Newer ones do not come by themselves.
    for address in (own[1], None):
        if address is None:
            monkeypatch.delenv(weights.ADDRESS_VARIABLE)
        assert weights.resolve("mine") == (cache / "mine.weights.h5", Preset(**MINE))
        assert weights.locate("mine") == weights.verify("mine") == cache / "mine.weights.h5"
        assert [preset.name for preset in weights.list()] == ["mine", "tiny"]
    assert weights.download("mine") == cache / "mine.weights.h5"  # There is nowhere to look for newer ones.
    assert len(requests) == 2 and not caplog.messages


def test_a_download_brings_a_mirrors_own_weights_up_to_date(own):
    folder, address, requests, cache = own
    weights.download("mine")
    requests.clear()
    newer = write_pair(folder, errors={"rendered hands": {"mean_mm": 9.0}})
    weights.download("mine")
    assert weights.resolve("mine")[1] == newer
    assert requests == ["/mine.json"]
    newer = write_pair(folder, CONTENT[:-1])
    assert weights.download("mine").read_bytes() == CONTENT[:-1]
    assert weights.resolve("mine")[1] == newer


@pytest.mark.parametrize("failure", ["gone", "truncated", "malformed"])
def test_a_failed_update_leaves_what_was_there(own, failure):
    folder, _, requests, cache = own
    weights.download("mine")
    before = weights.resolve("mine")
    write_pair(folder, CONTENT[:-1])
    if failure == "gone":
        shutil.rmtree(folder)
    else:
        (folder / f"mine{'.json' if failure == 'malformed' else '.weights.h5'}").write_bytes(b"{}")
    with pytest.raises((OSError, ValueError)):
        weights.download("mine")
    assert weights.resolve("mine") == before
    assert left_behind(cache / "mine.weights.h5") == {"mine.weights.h5", "mine.json"}


@pytest.mark.parametrize(
    ("record", "error", "message"),
    [
        (None, OSError, r"'mine' is no preset of the package, .*mine\.json: HTTPError: 404.*The presets are: tiny"),
        (b"<html>Welcome</html>", ValueError, r"mine\.json is not a valid weights record.*Expecting value"),
        (b"\xff\xfe", ValueError, r"mine\.json is not a valid weights record.*codec"),
        ({"name": "tiny"}, ValueError, r"must be of name='mine', .*Received: name='tiny'"),
        ({"name": "tiny", "file": "tiny.weights.h5"}, ValueError, r"must be of name='mine', .*Received: name='tiny'"),
        ({"file": "tiny.weights.h5"}, ValueError, r"file='mine\.weights\.h5'.*Received: .*file='tiny\.weights\.h5'"),
        ({"file": "../mine.weights.h5"}, ValueError, "`file` must be a plain file name"),
        ({"format_version": 2}, ValueError, "`format_version` must be 1 in this version"),
        ({"training": {"notes": "x" * 1_000_000}}, ValueError, "has more than 1000000 bytes"),
    ],
    ids=["missing", "page", "bytes", "name", "preset", "file", "path", "version", "huge"],
)
def test_a_mirrors_bad_record(own, record, error, message):
    folder, address, requests, cache = own
    if record is None:
        (folder / "mine.json").unlink()
    else:
        content = record if isinstance(record, bytes) else json.dumps({**MINE, **record}).encode()
        (folder / "mine.json").write_bytes(content)
    with pytest.raises(error, match=message) as caught:
        weights.resolve("mine")
    assert address in str(caught.value)
    assert set(requests[:1]) == {"/mine.json"} and "/mine.weights.h5" not in requests
    assert not cache.exists()


@pytest.mark.parametrize(
    ("content", "message"), [(None, "HTTPError: 404"), (CONTENT[1:], "511999 bytes"), (b"?" + CONTENT[1:], "SHA-256")]
)
def test_a_mirror_with_a_record_of_another_file(own, content, message):
    folder, _, _, cache = own
    (folder / "mine.weights.h5").unlink()
    if content is not None:
        (folder / "mine.weights.h5").write_bytes(content)
    with pytest.raises(OSError, match=rf"'mine' \(mine\.weights\.h5, 0\.5 MB\) could not be fetched.*{message}"):
        weights.resolve("mine")
    assert left_behind(cache / "mine.weights.h5") == set()


@pytest.mark.parametrize(
    "name", ["../mine", "sub/mine", "/mine", "", ".mine", "..", "mi ne", "mine\0", "mine\n", "m%2Fe"]
)
def test_names_lead_nowhere_else(own, name):
    _, address, requests, cache = own
    for ask in (weights.resolve, weights.download, weights.locate, weights.verify):
        with pytest.raises(ValueError, match="The presets are: tiny"):
            ask(name)
    assert not requests and not cache.exists()


def test_the_record_of_a_preset_never_comes_from_a_mirror(own):
    folder, _, requests, cache = own
    other = {**RECORD, "size": 4, "sha256": hashlib.sha256(b"evil").hexdigest()}
    for place in (folder, cache):
        place.mkdir(parents=True, exist_ok=True)
        (place / "tiny.json").write_text(json.dumps(other))
        (place / "tiny.weights.h5").write_bytes(b"evil")
    assert weights.list() == (Preset(**RECORD),)
    for ask in (weights.resolve, weights.download):
        with pytest.raises(OSError, match="4 bytes, not 512000"):
            ask("tiny")
    assert weights.locate("tiny") is None
    assert "/tiny.json" not in requests
    (folder / "tiny.weights.h5").write_bytes(CONTENT)
    assert weights.resolve("tiny") == (cache / "tiny.weights.h5", Preset(**RECORD))


@pytest.mark.parametrize("record", [b"", b"{}", json.dumps(RECORD).encode(), b"\xff"])
def test_a_malformed_record_in_the_cache_disturbs_nobody_else(own, places, monkeypatch, caplog, record):
    _, address, _, cache = own
    cache.mkdir(parents=True)
    (cache / "mine.json").write_bytes(record)
    (cache / ".123.partial.mine.json").write_bytes(b"half")
    places[0].write_bytes(CONTENT)
    assert weights.resolve("tiny")[0] == weights.locate("tiny") == weights.verify("tiny") == places[0]
    assert not caplog.messages
    assert weights.list() == (Preset(**RECORD),)
    assert [f"{cache / 'mine.json'} is not a valid weights record" in message for message in caplog.messages] == [True]

    monkeypatch.delenv(weights.ADDRESS_VARIABLE)
    for ask in (weights.resolve, weights.locate, weights.verify, weights.download):
        with pytest.raises(ValueError, match=r"mine\.json is not a valid weights record"):
            ask("mine")
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, address)
    assert weights.resolve("mine") == (cache / "mine.weights.h5", Preset(**MINE))


def test_a_damaged_copy_of_a_mirrors_own_weights(own, monkeypatch):
    _, address, _, cache = own
    write_pair(cache)
    (cache / "mine.weights.h5").write_bytes(CONTENT[:-1] + b"?")
    assert weights.locate("mine") is None
    monkeypatch.delenv(weights.ADDRESS_VARIABLE)
    with pytest.raises(FileNotFoundError, match=f"no download address is set.*{weights.ADDRESS_VARIABLE}"):
        weights.resolve("mine")
    with pytest.raises(OSError, match="its SHA-256"):
        weights.verify("mine")
    monkeypatch.setenv(weights.ADDRESS_VARIABLE, address)
    assert weights.resolve("mine")[0].read_bytes() == CONTENT


@pytest.mark.parametrize("address", ADDRESSES_WITH_SECRETS)
def test_secrets_in_a_malformed_records_address_are_not_shown(places, caplog, address):
    refused = pytest.raises(ValueError, match=r"mine\.json.* is not a valid weights record")
    with serving(answering(lambda handler: send(handler, b"{}"))) as served, refused as caught:
        weights.download("mine", address=address.format(served.removeprefix("http://")))
    assert "k3y" not in all_that_is_shown(caught.value, caplog)
