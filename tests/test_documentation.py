"""What the Markdown files say holds: links lead somewhere, code and commands are today's, tables show the results.

`mkdocs build --strict` looks after what is between the pages of docs/, and their links into the API. It takes a name
that is made when it is asked for, for one with nothing to say, and builds an empty page; so names are looked up here.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

import keras_handpose as khp
from benchmarks import tables
from keras_handpose.cli import app

ROOT = Path(khp.__file__).parents[1]
DOCUMENTS = {
    str(path.relative_to(ROOT)): path
    for pattern in ("README.md", "docs/**/*.md", "weights/*.md", "examples/**/README.md")
    for path in sorted(ROOT.glob(pattern))
    if "node_modules" not in path.parts
}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")


def blocks(text: str, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(text) if kind == language]


def read(document: str) -> str:
    return DOCUMENTS[document].read_text(encoding="utf-8")


def with_a(*languages: str) -> list[str]:
    return [name for name in DOCUMENTS if any(blocks(read(name), language) for language in languages)]


def test_there_are_documents():
    assert {"README.md", "docs/index.md", "weights/msra.md", "examples/browser/README.md"} <= {*DOCUMENTS}


# === Links ===


def anchors(text: str) -> set[str]:
    """The anchors of a file's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    for link in LINK.findall(INLINE.sub("", FENCE.sub("", read(document)))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (DOCUMENTS[document].parent / path).resolve() if path else DOCUMENTS[document]
        assert target.is_relative_to(ROOT) and target.exists(), f"{document}: {link}"
        # The site has its own first page, and none of the README's links would lead anywhere in it.
        assert target != ROOT / "README.md" or not document.startswith("docs/"), f"{document}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{document}: {link}"


# === Names of the API ===

DIRECTIVE = re.compile(r"^::: (\S+)\n((?: +.*\n|\n)*)", re.MULTILINE)
MEMBERS = re.compile(r"^ +members:(?: *\[(.*)\]\n|((?:\n +- .+)+))", re.MULTILINE)
REFERENCE = re.compile(r"\]\[(keras_handpose[\w.]*)\]")


def named_paths(text: str) -> list[str]:
    """Paths of what a page describes, with the members that it lists, and of what it refers to."""
    paths = REFERENCE.findall(text)
    for path, options in DIRECTIVE.findall(f"{text}\n"):
        members = [name for lists in MEMBERS.findall(options) for name in re.findall(r"\w+", "".join(lists))]
        paths += [path, *(f"{path}.{member}" for member in members)]
    return paths


def names_in(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Names that statements define or import when they run, and the statements."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((target.id, node) for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, node) for alias in node.names)


def is_defined(path: str) -> bool:
    """Whether an object is defined at this very path, or imported there by a statement; not by `__getattr__`."""
    place, names = ROOT, path.split(".")
    while names and ((place / names[0] / "__init__.py").exists() or (place / f"{names[0]}.py").exists()):
        place /= names.pop(0)
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    body = ast.parse(file.read_text(encoding="utf-8")).body
    while names:
        name = names.pop(0)
        node = dict(names_in(body)).get(name)
        if isinstance(node, ast.ImportFrom):
            (original,) = (alias.name for alias in node.names if name in (alias.asname, alias.name))
            return is_defined(".".join([node.module, original, *names]))
        if node is None or (names and not isinstance(node, ast.ClassDef)):
            return False
        body = getattr(node, "body", [])
    return True


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if named_paths(read(name))])
def test_names_of_the_api_are_defined_where_pages_look_for_them(document):
    assert [path for path in named_paths(read(document)) if not is_defined(path)] == []


def test_every_page_of_the_api_names_something():
    assert {name for name in DOCUMENTS if name.startswith("docs/api/")} == {
        name for name in DOCUMENTS if DIRECTIVE.search(read(name)) or name == "docs/api/index.md"
    }


@pytest.mark.parametrize(
    "text",
    [
        "::: keras_handpose.tuning\n    options:\n      members: [tune]\n",  # Made by `__getattr__`.
        "::: keras_handpose.tuning\n    options:\n      members:\n        - HyperResidualAttention\n",
        "[`khp.Camera`][keras_handpose.Camera]",
        "::: keras_handpose.weights.list\n",
        "::: keras_handpose.cameras.Kamera",
        "::: keras_handpose.layers.PCAPrior\n    options:\n      members: [call, fit]\n",
        "[`window`][keras_handpose.cameras.CAMERAS.window]",
    ],
)
def test_names_of_another_place_are_noticed(text):
    paths = named_paths(text)
    assert paths and not is_defined(paths[-1])
    assert all(path.split(".")[1] in dir(khp) for path in paths)


# === The site's links out of its folder ===


@pytest.fixture
def site_links(tmp_path, monkeypatch):
    """What the site makes of a model card's or a page's text in a small repository."""
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("repository", ROOT / "docs" / "hooks" / "repository.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    monkeypatch.setattr(hook, "ROOT", tmp_path)
    for file in ("docs/api/weights.md", "weights/msra.md", "weights/msra.json", "weights/README.md", "loose.csv"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()

    def links(text: str, page: str) -> str:
        hook.tracked.cache_clear()
        return hook.on_page_markdown(text, page=SimpleNamespace(file=SimpleNamespace(src_uri=page)))

    return links


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("model-cards/msra.md", "../docs/api/weights.md#publish", "../api/weights.md#publish"),
        ("model-cards/msra.md", "README.md", "../repository/weights/README.md"),
        ("model-cards/msra.md", "msra.md", "msra.md"),
        ("weights.md", "../weights/msra.md", "model-cards/msra.md"),
        ("api/index.md", "weights.md", "weights.md"),
        ("api/index.md", "../../weights/README.md", "../repository/weights/README.md"),
        ("weights.md", "../nowhere.csv", "../nowhere.csv"),
        ("weights.md", "../../outside.csv", "../../outside.csv"),
    ],
)
def test_links_of_the_site_lead_to_pages_and_copies(site_links, tmp_path, page, link, expected):
    (tmp_path.parent / "outside.csv").touch()
    assert site_links(f"[it]({link})", page) == f"[it]({expected})"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs Git")
def test_links_of_the_site_lead_to_tracked_files_only(site_links, tmp_path, caplog):
    text = "[it](../loose.csv) [card](../weights/msra.md)"
    assert site_links(text, "speed.md") == "[it](repository/loose.csv) [card](model-cards/msra.md)"
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "weights"], cwd=tmp_path, check=True)
    assert not caplog.messages
    assert site_links(text, "speed.md") == "[it](../loose.csv) [card](model-cards/msra.md)"
    (message,) = caplog.messages
    assert "speed.md links to loose.csv, which Git does not track" in message


# === Code ===


def resolved(node: ast.expr) -> object:
    """What an expression of names and dots that starts with `khp` stands for; None for other expressions."""
    if isinstance(node, ast.Name) and node.id == "khp":
        return khp
    if isinstance(node, ast.Attribute) and (owner := resolved(node.value)) is not None:
        return getattr(owner, node.attr)
    return None


def check_call(call: ast.Call) -> None:
    """See that a call of the library passes what its signature takes."""
    target = resolved(call.func)
    starred = any(isinstance(argument, ast.Starred) for argument in call.args) or None in [k.arg for k in call.keywords]
    if target is None or starred:
        return
    is_class = isinstance(target, type)
    signature = inspect.signature(target.__init__ if is_class else target)
    # A class's first argument is the object.
    signature.bind(*[None] * (is_class + len(call.args)), **{keyword.arg: None for keyword in call.keywords})


@pytest.mark.parametrize("document", with_a("python"))
def test_code_is_todays(document):
    for code in blocks(read(document), "python"):
        tree = ast.parse(code)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                resolved(node)
            elif isinstance(node, ast.Call):
                check_call(node)
            elif isinstance(node, ast.ImportFrom) and node.module.startswith("keras_handpose"):
                assert all(hasattr(import_module(node.module), alias.name) for alias in node.names), node.module
            elif isinstance(node, ast.Import):
                [import_module(alias.name) for alias in node.names if alias.name.startswith("keras_handpose")]


@pytest.mark.parametrize("code", ["khp.Kamera", "khp.layers.Nothing()", "khp.Camera(width=1)", "khp.HandCrop(250, 9)"])
def test_code_of_another_day_is_noticed(code):
    with pytest.raises((AttributeError, TypeError)):
        for node in ast.walk(ast.parse(code)):
            check_call(node) if isinstance(node, ast.Call) else resolved(node)


# === Commands ===


def commands(block: str) -> Iterator[list[str]]:
    """The library's commands in a block for the shell, without the program's name."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            if words[0] == "keras-handpose":
                yield words[1:end]
            words = words[end + 1 :]


def parse(words: list[str], *, whole: bool) -> None:
    """Parse a command as the program does, without running it; one that is not whole may lack what is needed."""
    command = typer.main.get_command(app)
    context = command.make_context("keras-handpose", [*words])
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, words)
        if hasattr(command, "resolve_command") or whole:
            context = command.make_context(name, [*words], parent=context)
        else:
            command.make_parser(type(context)(command, info_name=name, parent=context)).parse_args([*words])


@pytest.mark.parametrize("document", with_a("bash"))
def test_commands_are_todays(document):
    for block in blocks(read(document), "bash"):
        for words in commands(block):
            parse(words, whole=True)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_sentences_are_todays(document):
    for code in INLINE.findall(FENCE.sub("", read(document))):
        program, *words = code.split(maxsplit=1)
        if program == "keras-handpose" and words:
            parse(shlex.split(words[0]), whole=False)


@pytest.mark.parametrize(
    ("command", "whole"),
    [
        ("keras-handpose pose", False),
        ("pip install . && keras-handpose demo --wieghts msra", True),
        ("keras-handpose predict \\\n frame.png --camera sr305 --hand middle", True),
        ("keras-handpose train", True),
        ("keras-handpose weights choose --joints nyu14", False),
    ],
)
def test_commands_of_another_day_are_noticed(command, whole):
    (words,) = commands(command)
    with pytest.raises(Exception, match="No such|not one of|Missing parameter"):
        parse(words, whole=whole)


# === Tables ===


def test_tables_are_those_of_the_results(capsys):
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_table_is_shown_and_written(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- generated: peers -->\n| an | old | table |\n<!-- /generated -->\nafter\n")
    assert tables.main([str(page), "--check"]) == 1
    shown = capsys.readouterr().out
    assert "-| an | old | table |" in shown and "+| DeepPrior++ |" in shown
    assert tables.main([str(page)]) == 0
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after") and "| an | old | table |" not in lines
    assert tables.main([str(page), "--check"]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- generated: nothing -->\n<!-- /generated -->\n", "no table 'nothing'"),
        ("<!-- generated: peers -->\n", "needs its own <!-- /generated -->"),
        ("<!-- generated: peers -->\n<!-- generated: peers -->\n<!-- /generated -->\n", "needs its own"),
    ],
)
def test_marks_must_make_sense(text, message):
    with pytest.raises(ValueError, match=message):
        tables.updated(text)
