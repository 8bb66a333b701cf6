# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML that cannot be unescaped by accident: plain text is always escaped, only tags made here are markup."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path


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


def whole_page(title: str, lead: str, sections: Iterable[tuple[str, Html]]) -> str:
    """Return a page as text: its title, words below it, links, and those sections that are not empty."""
    shown = [(words, content) for words, content in sections if content]
    body = tag(
        "body",
        tag("header", tag("h1", title), lead, _links(words for words, _ in shown)),
        tag("main", (tag("section", tag("h2", words), content, id=_anchor(words)) for words, content in shown)),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n{_head(title)}\n{body}\n</html>\n'


def picture(path: Path, label: str, words: str, alt: str, class_: str | None = None) -> Html:
    """Return a PNG file with its caption; the picture is in the page."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    image = tag("img", src=f"data:image/png;base64,{data}", alt=alt, class_=class_)
    return tag("figure", image, tag("figcaption", tag("strong", label), words), id=f"figure-{path.stem}")


def _head(title: str) -> Html:
    css = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Nothing may be fetched: the page is a record, not a program.
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content="default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        ),
        tag("title", title),
        tag("style", Html(css)),
    )


def _links(names: Iterable[str]) -> Html:
    return tag("nav", (tag("a", words, href=f"#{_anchor(words)}") for words in names), aria_label="Sections")


def _anchor(words: str) -> str:
    return words.lower().replace(" ", "-")
