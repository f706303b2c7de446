"""Sizes and durations as people write them."""

from __future__ import annotations

import pytest

from specql_jobs.core.units import MIB, parse_seconds, parse_size


@pytest.mark.parametrize(
    ("text", "unit", "size"),
    [
        ("512MB", MIB, 512),
        ("512 MiB", MIB, 512),
        ("512m", MIB, 512),
        ("1GiB", MIB, 1024),
        ("1.5g", MIB, 1536),
        ("64KB", 1, 65536),
        ("10B", 1, 10),
        (512, MIB, 512),
        (512.0, MIB, 512),
    ],
)
def test_sizes(text: object, unit: int, size: int) -> None:
    """A unit makes a size absolute; a bare number is in the key's own unit."""
    assert parse_size(text, unit) == size


@pytest.mark.parametrize(
    "value", ["", "512", "MB", "-1MB", "1e3MB", "1MB\n2", "100KB", True, None, [1], 1.5, float("nan")]
)
def test_what_is_no_size(value: object) -> None:
    """Text without a unit, less than one unit, booleans and NaN are refused."""
    with pytest.raises(ValueError, match=r"."):
        parse_size(value, MIB)


@pytest.mark.parametrize(
    ("value", "seconds"), [("30s", 30), ("5m", 300), ("1h", 3600), ("1.5 d", 129600), ("250ms", 0.25), (7, 7)]
)
def test_durations(value: object, seconds: float) -> None:
    """A bare number is seconds."""
    assert parse_seconds(value) == seconds


@pytest.mark.parametrize("value", ["", "30", "s", "-3s", "1w", "٣s", True, None, float("inf")])
def test_what_is_no_duration(value: object) -> None:
    """Text without a unit, other units and what is not finite are refused."""
    with pytest.raises(ValueError, match=r"."):
        parse_seconds(value)
