"""A report as one page for a browser and for paper: nothing is fetched or executed, all text is escaped."""

from __future__ import annotations

from collections.abc import Iterator

from .markup import Element, html_document, tag
from .plots import Span
from .report_parts import Data, at, time
from .report_sections import SECTIONS
from .report_style import style
from .text import age

#: Nothing may be loaded, and no script may run, even if a text of a job found a way to ask for it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report_page(data: Data, title: str, scope: str) -> str:
    """Return the page of a report's data; `scope` names what was selected."""
    span = Span(at(data["window"]["since"]), at(data["window"]["until"]), data["window"]["step_seconds"])
    body = tag("body", *_head(data, title, scope), *(part for each in SECTIONS for part in each(data, span)))
    root = tag("html", tag("head", *_meta(title)), body, lang="en")
    return html_document(root)


def _meta(title: str) -> Iterator[Element]:
    yield tag("meta", charset="utf-8")
    yield tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    yield tag("meta", http_equiv="Content-Security-Policy", content=_POLICY)
    yield tag("title", title)
    sheet = tag("style")
    sheet.text = style()  # ours alone: the serializer escapes nothing inside
    yield sheet


def _head(data: Data, title: str, scope: str) -> Iterator[Element]:
    window = data["window"]
    seconds = (at(window["until"]) - at(window["since"])).total_seconds()
    yield tag("h1", title)
    yield tag("p", f"{time(window['since'])} to {time(window['until'])} UTC ({age(seconds)}), {scope}")
    step = age(window["step_seconds"])
    yield tag(
        "p", f"Made {time(window['generated_at'])} UTC by specql-jobs. Each step of a plot is {step}.", class_="dim"
    )
