"""Where settings come from, and which one wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from specql_jobs.core.config_file import read_env_file, read_file
from specql_jobs.core.errors import ConfigError, NotFound
from specql_jobs.core.settings import Settings, load_settings, state_folder


def _settings(folder: Path, **changes: object) -> Settings:
    env = {"HOME": str(folder / "home"), **changes.pop("env", {})}  # type: ignore[dict-item]  # a test's shorthand
    return load_settings(env=env, folder=folder, **changes)  # type: ignore[arg-type]  # the same


def test_order_of_the_database(tmp_path: Path) -> None:
    """--dsn, --profile, SPECQL_JOBS_DSN, config file, DATABASE_URL, PG*: the first that is there wins."""
    (tmp_path / "specql-jobs.toml").write_text('dsn = "file"\n[profiles.prod]\ndsn = "profile"\nprotected = true\n')
    env = {"SPECQL_JOBS_DSN": "env", "DATABASE_URL": "url", "PGHOST": "pg"}
    found = [
        _settings(tmp_path, dsn="flag", profile="prod", env=env),
        _settings(tmp_path, profile="prod", env=env),
        _settings(tmp_path, env=env),
        _settings(tmp_path, env={**env, "SPECQL_JOBS_DSN": ""}),
        _settings(tmp_path / "home", env={"DATABASE_URL": "url", "PGHOST": "pg"}),
        _settings(tmp_path / "home", env={"PGHOST": "pg"}),
    ]
    assert [each.require_dsn() for each in found] == ["flag", "profile", "env", "file", "url", ""]
    assert [each.protected for each in found] == [False, True, False, False, False, False]
    assert found[1].profile == "prod"
    assert found[5].dsn is not None
    assert found[5].dsn.origin == "PGHOST"


def test_no_database_is_an_error_with_three_ways_out(tmp_path: Path) -> None:
    """Nothing configured: the hint names --dsn, SPECQL_JOBS_DSN and the embedded server."""
    with pytest.raises(ConfigError) as caught:
        _settings(tmp_path).require_dsn()
    assert all(word in caught.value.hint for word in ("--dsn", "SPECQL_JOBS_DSN", "embedded"))


def test_empty_flag_is_refused(tmp_path: Path) -> None:
    """--dsn "" is a mistake in a script, not a wish for the next source."""
    with pytest.raises(ConfigError, match="--dsn is empty"):
        _settings(tmp_path, dsn="", env={"SPECQL_JOBS_DSN": "x"})


def test_profile_from_parts_and_by_default(tmp_path: Path) -> None:
    """A profile may be libpq keywords, quoted; the file's default profile is used when nothing else is named."""
    (tmp_path / "specql-jobs.toml").write_text(
        'profile = "prod"\n[profiles.prod]\nhost = "db 1"\nport = 5433\nuser = "o\'k"\n'
    )
    found = _settings(tmp_path)
    assert found.require_dsn() == "host='db 1' port='5433' user='o\\'k'"
    assert found.profile == "prod"


def test_unknown_profile_names_the_known(tmp_path: Path) -> None:
    """A profile that no file has is exit 3 with the names that there are."""
    (tmp_path / "specql-jobs.toml").write_text('[profiles.prod]\ndsn = "x"\n')
    with pytest.raises(NotFound, match="known: prod"):
        _settings(tmp_path, profile="prd")


def test_project_file_is_searched_up_to_the_repository(tmp_path: Path) -> None:
    """The project's file is found above, as far as the repository's root and no further; paths are its own."""
    inner = tmp_path / "repo" / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "specql-jobs.toml").write_text('dsn = "outside"\n')
    assert _settings(inner).dsn is None
    (tmp_path / "repo" / ".git").mkdir()
    assert _settings(inner).dsn is None
    (tmp_path / "repo" / "specql-jobs.toml").write_text('dsn = "inside"\nregistry = "r.yaml"\n')
    found = _settings(inner)
    assert found.require_dsn() == "inside"
    assert found.registry is not None
    assert found.registry.text == str(tmp_path / "repo" / "r.yaml")


def test_user_file_comes_after_the_project(tmp_path: Path) -> None:
    """The user's configuration serves what the project's does not say."""
    user = tmp_path / "home" / ".config" / "specql-jobs"
    user.mkdir(parents=True)
    (user / "config.toml").write_text('dsn = "user"\nenvironment = "dev"\n')
    (tmp_path / "specql-jobs.toml").write_text('dsn = "project"\n')
    found = _settings(tmp_path)
    assert found.require_dsn() == "project"
    assert found.environment is not None
    assert found.environment.text == "dev"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('dsn = "postgresql://a:hunter2@b/c', ":1: "),
        ('a = 1\ndsn = "postgresql://a:hunter2@b/c\nb = 2\n', ":2:"),
        ("dsn = 5\n", "type str"),
        ("dns = 'x'\n", "unknown key `dns`"),
        ("[profiles.p]\nprotectd = true\n", "`profiles.p.protectd`"),
        ("[profiles.p]\nport = true\n", "type int"),
        ("profiles = {p = 5}\n", "must be a table"),
    ],
)
def test_wrong_files_are_named_and_not_quoted(tmp_path: Path, text: str, words: str) -> None:
    """A wrong file is a ConfigError with its path; the line itself may hold a password and is not shown."""
    path = tmp_path / "specql-jobs.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_file(path)
    assert str(path) in caught.value.message
    assert words in caught.value.message
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_env_file(tmp_path: Path) -> None:
    """NAME=VALUE lines with comments, export and quotes; values are taken as they are."""
    path = tmp_path / ".env"
    path.write_text("# c\n\nA=1\nexport B='x y'\nC=\"$A\"\nD=\nE=a=b\n")
    assert read_env_file(path) == {"A": "1", "B": "x y", "C": "$A", "D": "", "E": "a=b"}


def test_settings_do_not_print_the_environment(tmp_path: Path) -> None:
    """The repr of Settings leaves the variables out."""
    assert "hunter2" not in repr(_settings(tmp_path, env={"SECRET": "hunter2"}))


def test_state_folder_wants_an_absolute_path() -> None:
    """XDG_STATE_HOME counts only when absolute, as its specification says."""
    assert state_folder({"XDG_STATE_HOME": "/s"}) == Path("/s/specql-jobs")
    assert state_folder({"XDG_STATE_HOME": "s", "HOME": "/h"}) == Path("/h/.local/state/specql-jobs")
