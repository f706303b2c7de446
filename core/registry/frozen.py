"""Plain data that cannot change, and back: mapping proxies and tuples all the way down."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


def freeze(value: Any) -> Any:
    """Return mappings as read-only proxies and lists as tuples, at every level."""
    if isinstance(value, str):  # nearly all that comes; the question below is a slow one
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({k: each if isinstance(each, str) else freeze(each) for k, each in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(below) for below in value)
    return value


def thaw(value: Any) -> Any:
    """Return the dicts and lists that JSON libraries want."""
    if isinstance(value, Mapping):
        return {key: thaw(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(below) for below in value]
    return value
