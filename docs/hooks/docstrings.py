"""Reads the docstrings as they are written here.

`Example:` is a section of examples, several arguments may share a description, and a public name in single backticks
is a link to what is written about it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

__all__ = ["DocumentedNames"]

_PAGES = Path(__file__).parents[1] / "api"
_DIRECTIVE = re.compile(r"^::: (?P<path>\S+)\n(?P<options>(?:    .*\n|\n)*)", re.MULTILINE)
_MEMBER = re.compile(r"^ +- (\w+)$", re.MULTILINE)
_NAME = re.compile(r"(?<![`\[\w])`(?P<first>[A-Za-z]\w*)(?:\.\w+)?`(?![`\]])")
_SHARED = re.compile(r"^    (?P<names>(?:\w+, )+\w+): (?P<text>.*(?:\n {8}.*)*)$", re.MULTILINE)
_EXAMPLES = re.compile(r"^( *)Example:$", re.MULTILINE)


def documented() -> dict[str, str]:
    """Return the paths of what the pages of the API name, by their last names."""
    names = {}
    for page in sorted(_PAGES.glob("*.md")):
        for directive in _DIRECTIVE.finditer(page.read_text(encoding="utf-8")):
            path, members = directive["path"], _MEMBER.findall(directive["options"])
            # A module's own name is no link: arguments are called `weights`, too.
            for member in members or [path.rpartition(".")[2]]:
                names[member] = f"{path}.{member}" if members else path
    return names


class DocumentedNames(griffe.Extension):
    """Changes docstrings before they are parsed."""

    def __init__(self) -> None:
        self._paths = documented()

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            text = _EXAMPLES.sub(r"\1Examples:", obj.docstring.value)
            before, examples, after = text.partition("Examples:\n")
            before = _SHARED.sub(_one_by_one, before)
            if obj.is_class and "NamedTuple" in map(str, obj.bases):  # Griffe knows no signature of these.
                before = before.replace("Args:\n", "Attributes:\n")
            obj.docstring.value = _NAME.sub(self._link, before) + examples + after

    def _link(self, name: re.Match) -> str:
        path = self._paths.get(name["first"])
        return name[0] if path is None else f"[{name[0]}][{path}]"


def _one_by_one(entry: re.Match) -> str:
    """Give each of several arguments an entry of its own, as each has its own type and default."""
    return "\n".join(f"    {name}: {entry['text']}" for name in entry["names"].split(", "))
