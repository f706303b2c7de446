"""How one name, path or image is compared with an entry of an allowlist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.allowlists import admits, domain_covers, exactly, image_covers, path_covers


@pytest.mark.parametrize(
    ("pattern", "host", "covered"),
    [
        ("a.com", "a.com", True),
        ("A.com.", "a.COM", True),
        ("a.com", "b.a.com", False),
        ("*.a.com", "b.a.com", True),
        ("*.a.com", "c.b.a.com", True),
        ("*.a.com", "a.com", False),
        ("*.a.com", "eviла.com", False),
        ("*.a.com", "evila.com", False),
        ("*.a.com", ".a.com", False),
        ("*", "a.com", False),
        ("*.", "a.", False),
        ("a.com", "a.com.evil.org", False),
        ("*.0.0.1", "127.0.0.1", False),
        ("[::1]", "::1", True),
    ],
)
def test_domains(pattern: str, host: str, covered: bool) -> None:
    """Exact names, or any name below a wildcard; addresses only exactly."""
    assert domain_covers(pattern, host) is covered


@pytest.mark.parametrize(
    ("root", "path", "covered"),
    [
        ("/srv", "/srv", True),
        ("/srv", "/srv/a/b", True),
        ("/srv/", "/srv//a", True),
        ("/srv", "/srv-evil", False),
        ("/srv", "/srv/../etc", False),
        ("/srv/a/..", "/srv/b", True),
        ("/", "/etc", True),
        ("//srv", "/srv/a", True),
        ("srv", "/srv", False),
        ("/srv", "srv/a", False),
        ("", "/srv", False),
    ],
)
def test_paths(root: str, path: str, covered: bool) -> None:
    """A path is covered by whole components, after `.` and `..` are gone."""
    assert path_covers(root, path) is covered


NAMES = st.lists(st.text("ab.-", min_size=1, max_size=3).filter(lambda name: name not in (".", "..")), max_size=4)


@given(NAMES, NAMES)
def test_a_path_prefix_means_path_components(root: list[str], rest: list[str]) -> None:
    """A root covers exactly the paths that continue its components."""
    base = "/" + "/".join(root)
    assert path_covers(base, "/" + "/".join([*root, *rest]))
    if root:
        assert not path_covers(base, base + "x/" + "/".join(rest))


@pytest.mark.parametrize(
    ("pattern", "image", "covered"),
    [
        ("app:1", "app:1", True),
        ("app:1", "app:11", False),
        ("app", "app:1", False),
        ("app:*", "app:1", True),
        ("app:*", "app", False),
        ("app:*", "app:1@sha256:00", False),
        ("app:*", "app-evil:1", False),
        ("host:5000/app:*", "host:5000/app:2", True),
        ("host:*", "host:5000/evil", False),
        ("app@sha256:00", "app@sha256:00", True),
        ("*", "app", False),
    ],
)
def test_images(pattern: str, image: str, covered: bool) -> None:
    """Exact references, or any tag of one repository."""
    assert image_covers(pattern, image) is covered


def test_an_empty_list_admits_nothing() -> None:
    """A list that is empty is not a list that is missing."""
    assert not admits((), "", exactly)
    assert not admits((), "/bin/true", path_covers)
    assert admits(("a", "b"), "b", exactly)
