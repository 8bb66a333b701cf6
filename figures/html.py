# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML that cannot be unescaped by accident: plain text is always escaped, only tags made here are markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Html(str):
    """Markup. Any other string is text."""

    __slots__ = ()


def tag(name: str, /, *children: str | Iterable[str] | None, **attributes: str | None) -> Html:
    """Return an element.

    Parameters
    ----------
    name : str
        Of the element.
    *children : str, iterable of str, or None
        Text (escaped) or `Html`; iterables are joined, None is left out.
    **attributes : str or None
        A trailing underscore is dropped (``class_``) and others become hyphens; None leaves an attribute out.
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value, quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("img", "meta"):
        return Html(f"<{name}{words}>")
    return Html(f"<{name}{words}>{join(*children)}</{name}>")


def join(*children: str | Iterable[str] | None) -> Html:
    """Return children one after another, text escaped."""
    parts = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            parts.append(child if isinstance(child, Html) else escape(child, quote=False))
        else:
            parts.append(join(*child))
    return Html("".join(parts))


def table(
    head: Iterable[str], rows: Iterable[Iterable[str]], caption: str | None = None, class_: str | None = None
) -> Html:
    """Return a table: `head` names the columns (none if empty), the first cell of each row names the row."""
    columns = [tag("th", cell, scope="col") if cell else tag("td") for cell in head]
    top = tag("thead", tag("tr", columns)) if columns else None
    body = tag("tbody", (tag("tr", _cells(row)) for row in rows))
    return tag("table", tag("caption", caption) if caption else None, top, body, class_=class_)


def _cells(row: Iterable[str]) -> list[Html]:
    first, *others = row
    return [tag("th", first, scope="row"), *(tag("td", cell) for cell in others)]
