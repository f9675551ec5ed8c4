"""Turns the equations of pages into MathML when the site is built, so that no script draws them afterwards."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

__all__ = ["on_page_content"]

# As pymdownx.arithmatex leaves them.
_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.+?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replace every equation of a page's HTML."""
    return _EQUATION.sub(_to_mathml, content)


def _to_mathml(equation: re.Match) -> str:
    tag, bracket, latex = equation.groups()
    display = "block" if bracket == "[" else "inline"
    return f'<{tag} class="equation">{convert(html.unescape(latex).strip(), display=display)}</{tag}>'
