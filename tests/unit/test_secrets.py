"""Secrets come from where the registry says, at the last moment, and leave no trace in what is kept."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.errors import Denied
from specql_jobs.core.secrets import LARGEST_SECRET, MASK, SecretRef, Secrets

VALUE = 's3cr3t/with+odd=chars&"quotes"'
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8, max_size=60)


def test_a_variable_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: a value that is set after the worker has started counts."""
    secrets = Secrets()
    ref = SecretRef("env", "SHOP_TOKEN")
    assert not secrets.is_set(ref)
    monkeypatch.setenv("SHOP_TOKEN", VALUE)
    assert secrets.is_set(ref)
    assert secrets.resolve(ref) == VALUE


def test_an_env_file_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was passed with --env-file is what the operator meant."""
    monkeypatch.setenv("SHOP_TOKEN", "from the environment")
    assert Secrets({"SHOP_TOKEN": "from the file"}).resolve(SecretRef("env", "SHOP_TOKEN")) == "from the file"


def test_a_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    """Secrets mounted as files often end in a line end that is no part of them."""
    file = tmp_path / "token"
    file.write_text(f"{VALUE}\r\n")
    assert Secrets().resolve(SecretRef("file", str(file))) == VALUE


def _missing(folder: Path) -> list[SecretRef]:
    (folder / "empty").write_text("\n")
    (folder / "large").write_text("x" * (LARGEST_SECRET + 1))
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    names = ("absent", "empty", "large", "binary", ".")
    return [SecretRef("env", "NOT_SET_ANYWHERE"), *(SecretRef("file", str(folder / name)) for name in names)]


def test_a_secret_that_is_not_there_is_denied_by_its_name(tmp_path: Path) -> None:
    """Absent, empty, too large, not text, not a file: E410, naming the reference, with what to do."""
    for ref in _missing(tmp_path):
        with pytest.raises(Denied) as caught:
            Secrets().resolve(ref)
        assert caught.value.code == "E410"
        assert str(ref) in caught.value.message
        assert caught.value.hint


def test_an_unreadable_file_is_denied(tmp_path: Path) -> None:
    """A folder in the place of a file is no secret, and no traceback."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(Denied):
        Secrets().resolve(SecretRef("file", str(tmp_path / "loop")))


def _appearances(value: str) -> list[str]:
    raw = value.encode("utf-8", "surrogateescape")
    encoded = [base64.b64encode(b"user:"[:shift] + raw).decode("ascii") for shift in range(6)]
    return [value, quote(value, safe=""), json.dumps(value), *encoded]


@given(value=values)
def test_no_form_of_a_secret_survives(value: str) -> None:
    """From eight characters on: plain, percent-encoded, in JSON and in base64 at any alignment, a value is masked."""
    secrets = Secrets()
    secrets.protect(value)
    for text in _appearances(value):
        redacted = secrets.redact(f"<{text}>")
        assert value not in redacted
        assert MASK in redacted


def test_the_longest_secret_is_masked_first() -> None:
    """Of two secrets of which one begins with the other, no tail of the longer one is left."""
    secrets = Secrets()
    secrets.protect("hunter22")
    secrets.protect("hunter22-and-more")
    assert secrets.redact("hunter22-and-more hunter22") == f"{MASK} {MASK}"


def test_short_values_are_not_redacted() -> None:
    """A secret of five characters would eat ordinary words; it is left, as documented."""
    secrets = Secrets()
    secrets.protect("order")
    assert secrets.redact("order 17") == "order 17"


def test_what_was_never_handed_out_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only resolved secrets are redacted: the environment is not searched."""
    monkeypatch.setenv("OTHER", "something-else")
    secrets = Secrets()
    text = "something-else"
    assert secrets.redact(text) is text
    secrets.resolve(SecretRef("env", "OTHER"))
    assert secrets.redact(text) == MASK


def test_a_variable_with_bytes_that_are_no_text_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    """POSIX environments may hold any bytes; such a secret is used and masked like any other."""
    monkeypatch.setitem(os.environ, "ODD", os.fsdecode(b"abc\xff\xfedef"))
    secrets = Secrets()
    value = secrets.resolve(SecretRef("env", "ODD"))
    assert secrets.redact(f"got {value}") == f"got {MASK}"
