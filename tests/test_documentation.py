"""What the Markdown files say holds: links lead somewhere, code and commands are today's, tables show the results.

`mkdocs build --strict` looks after what is between the pages of docs/, and their links into the API.
"""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

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
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{document}: {link}"


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
