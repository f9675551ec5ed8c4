"""Lets pages use what is elsewhere in the repository.

Links lead where they lead in the sources: a model card becomes a page, and any other file that is linked to comes into
the site. ``<!-- from the README: NAME -->`` becomes the block of code under the README's mark ``<!-- NAME -->``.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown"]

ROOT = Path(__file__).parents[2]
CARDS = "model-cards"
COPIES = "repository"

_BLOCK = re.compile(r"<!-- from the README: (.+?) -->")
_LINK = re.compile(r"(?<=\]\()(?P<path>\.\.?/[^)#\s]+|[\w./-]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the model cards, and what pages link to outside of their folder."""
    for card in sorted((ROOT / "weights").glob("*.md")):
        if card.with_suffix(".json").exists():
            files.append(File.generated(config, f"{CARDS}/{card.name}", abs_src_path=str(card)))
    for page in [*files.documentation_pages()]:
        for link in _LINK.finditer(Path(page.abs_src_path).read_text(encoding="utf-8")):
            target = _target(link["path"], page.src_uri)
            if target is None or not (ROOT / target).is_file():
                continue
            copy = _place(target)
            if copy.startswith(f"{COPIES}/") and copy not in files.src_uris:
                files.append(File.generated(config, copy, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fetch the README's blocks, and let links out of the folder lead to where their files are in the site."""
    here = posixpath.dirname(page.file.src_uri)

    def replaced(link: re.Match) -> str:
        target = _target(link["path"], page.file.src_uri)
        if target is None or not (ROOT / target).exists():
            return link[0]  # For MkDocs to complain about.
        return posixpath.relpath(_place(target), here or ".")

    return _LINK.sub(replaced, _BLOCK.sub(lambda block: _from_readme(block[1]), markdown))


def _from_readme(mark: str) -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"^<!-- {re.escape(mark)} -->\n(```.*?^```)$", readme, re.MULTILINE | re.DOTALL)
    if block is None:
        raise PluginError(f"README.md has no block of code under <!-- {mark} -->.")
    return block[1]


def _target(path: str, page: str) -> str | None:
    """Return what a page's link leads to, relative to the repository; None where it stays among the pages."""
    folder = "weights" if posixpath.dirname(page) == CARDS else posixpath.join("docs", posixpath.dirname(page))
    target = posixpath.normpath(posixpath.join(folder, path))
    return None if target.startswith(("docs/", "../")) and folder != "weights" else target


def _place(target: str) -> str:
    """Return where a file of the repository is in the site."""
    folder, name = posixpath.split(target)
    if folder == "weights" and name.endswith(".md") and (ROOT / target).with_suffix(".json").exists():
        return f"{CARDS}/{name}"
    if folder == "docs":
        return name
    return f"{COPIES}/{target}"
