"""HTML and SVG as trees, so that no text of a job can become markup: the standard library's serializer escapes all."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from .text import clean

Element = ET.Element
Child = Element | str


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Element:
    """Return an element; `class_` and `stroke_width` are class and stroke-width. None leaves an attribute out."""
    named = {key.rstrip("_").replace("_", "-"): _text(value) for key, value in attributes.items() if value is not None}
    element = ET.Element(name, named)
    extend(element, children)
    return element


def extend(element: Element, children: Iterable[Child]) -> None:
    """Append texts and elements in their order."""
    for child in children:
        if isinstance(child, str):
            _append_text(element, clean(child))
        else:
            element.append(child)


def _append_text(element: Element, text: str) -> None:
    last = element[-1] if len(element) else None
    if last is None:
        element.text = (element.text or "") + text
    else:
        last.tail = (last.tail or "") + text


def _text(value: str | float) -> str:
    """Attributes as text; coordinates to a tenth, which is finer than any screen."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else clean(str(value))


def html_document(root: Element) -> str:
    """Return the whole page."""
    body = ET.tostring(root, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{body}\n".encode("utf-8", "replace").decode("utf-8")
