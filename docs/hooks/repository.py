"""Lets pages use what is elsewhere in the repository.

Links lead where they lead in the sources: a model card becomes a page, and any other file that is linked to comes into
the site. Only what Git tracks does, so that the site is everybody's; a link to another file is a warning. Where there
is no Git, as in an archive of the sources, all files below the root count.

``<!-- from the README: NAME -->`` becomes the block of code under the README's mark ``<!-- NAME -->``.
"""

from __future__ import annotations

import functools
import posixpath
import re
import subprocess
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["is_ours", "on_files", "on_page_markdown", "tracked"]

ROOT = Path(__file__).parents[2]
CARDS = "model-cards"
COPIES = "repository"

_logger = get_plugin_logger("repository")

_BLOCK = re.compile(r"<!-- from the README: (.+?) -->")
_LINK = re.compile(r"(?<=\]\()(?P<path>\.\.?/[^)#\s]+|[\w./-]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the model cards, and what pages link to outside of their folder."""
    tracked.cache_clear()  # A site that is served is built again and again.
    for card in sorted((ROOT / "weights").glob("*.md")):
        if card.with_suffix(".json").exists() and is_ours(f"weights/{card.name}"):
            files.append(File.generated(config, f"{CARDS}/{card.name}", abs_src_path=str(card)))
    for page in [*files.documentation_pages()]:
        for link in _LINK.finditer(Path(page.abs_src_path).read_text(encoding="utf-8")):
            target = _target(link["path"], page.src_uri)
            if not is_ours(target):
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
        if not is_ours(target):
            if (ROOT / target).is_file():
                _logger.warning(
                    "%s links to %s, which Git does not track. Add the file, or drop the link.",
                    page.file.src_uri,
                    target,
                )
            return link[0]  # If it leads nowhere, MkDocs says so.
        return posixpath.relpath(_place(target), here or ".")

    return _LINK.sub(replaced, _BLOCK.sub(lambda block: _from_readme(block[1]), markdown))


def _from_readme(mark: str) -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"^<!-- {re.escape(mark)} -->\n(```.*?^```)$", readme, re.MULTILINE | re.DOTALL)
    if block is None:
        raise PluginError(f"README.md has no block of code under <!-- {mark} -->.")
    return block[1]


@functools.cache
def tracked() -> frozenset[str] | None:
    """Return the paths of all files that Git tracks; None where there is no Git, or the root is not its root."""
    git = ["git", "-C", str(ROOT)]
    try:
        inside = subprocess.run([*git, "rev-parse", "--show-prefix"], capture_output=True, check=True)
        listed = subprocess.run([*git, "ls-files", "-z"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    # An archive that was unpacked inside of another repository is no part of that one.
    return None if inside.stdout.strip() else frozenset(listed.stdout.decode().split("\0"))


def is_ours(target: str) -> bool:
    """Return whether a path, relative to the repository, is that of one of its files."""
    files = tracked()
    return (ROOT / target).is_file() and not target.startswith("../") and (files is None or target in files)


def _target(path: str, page: str) -> str:
    """Return what a page's link leads to, relative to the repository."""
    folder = "weights" if posixpath.dirname(page) == CARDS else posixpath.join("docs", posixpath.dirname(page))
    return posixpath.normpath(posixpath.join(folder, path))


def _place(target: str) -> str:
    """Return where a file of the repository is in the site."""
    folder, name = posixpath.split(target)
    if folder == "weights" and name.endswith(".md") and (ROOT / target).with_suffix(".json").exists():
        return f"{CARDS}/{name}"
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return f"{COPIES}/{target}"
