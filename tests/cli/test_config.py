"""`config show`: every setting with its place; profiles, service files and password files as libpq reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from support.cli import specql_jobs

PASSWORD = "correct-horse-battery"

PROJECT = """\
registry = "services.yaml"
profile = "prod"

[profiles.prod]
service = "jobs-prod"
protected = true

[profiles.dev]
dsn = "postgresql://me:{password}@localhost/dev"

[runners]
docker = "docker"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two profiles, a service file and a password file."""
    (tmp_path / "specql-jobs.toml").write_text(PROJECT.format(password=PASSWORD))
    (tmp_path / "service.conf").write_text(
        "[other]\nhost=no\n\n[jobs-prod]\nhost=db-1.internal\nport=6000\ndbname=app\n"
    )
    (tmp_path / "pgpass").write_text(f"db-1.internal:6000:app:jobs:{PASSWORD}\n")
    (tmp_path / "pgpass").chmod(0o600)
    return tmp_path


def _settings(folder: Path, *arguments: str, **env: str) -> dict[str, tuple[str | None, str, str | None, int | None]]:
    said = specql_jobs("config", "show", *arguments, "-o", "json", env=env, folder=folder)
    assert PASSWORD not in said.out + said.err
    found = said.data["settings"]
    return {each["key"]: (each["value"], each["origin"], each["where"], each["line"]) for each in found}


def test_every_setting_says_where_it_is_from(project: Path) -> None:
    """File with its line, profile, service file, variable, password file and default are told apart."""
    env = {"PGSERVICEFILE": str(project / "service.conf"), "PGPASSFILE": str(project / "pgpass"), "PGUSER": "jobs"}
    found = _settings(project, **env)
    toml, service = str(project / "specql-jobs.toml"), f"service jobs-prod in {project / 'service.conf'}"
    assert found["registry"] == (str(project / "services.yaml"), "file", toml, 1)
    assert found["profile"] == ("prod", "profile", f"profile prod in {toml}", 4)
    assert found["protected"][0] == "true"
    assert found["database.host"] == ("db-1.internal", "libpq", service, 5)
    assert found["database.port"] == ("6000", "libpq", service, 6)
    assert found["database.user"] == ("jobs", "libpq", "PGUSER", None)
    assert found["database.password"] == ("set", "libpq", str(project / "pgpass"), None)
    assert found["database.sslmode"][1] == "default"
    assert found["runners.docker"] == ("docker", "file", toml, 12)


@pytest.mark.parametrize(
    ("arguments", "env", "origin", "where"),
    [
        (("--dsn", "postgresql://f@flag/x"), {"SPECQL_JOBS_DSN": "host=env"}, "flag", "--dsn"),
        (("--profile", "dev"), {"SPECQL_JOBS_DSN": "host=env"}, "profile", "profile dev in "),
        ((), {"SPECQL_JOBS_DSN": "host=env", "SPECQL_JOBS_PROFILE": "dev"}, "environment", "SPECQL_JOBS_DSN"),
        ((), {"SPECQL_JOBS_PROFILE": "dev", "DATABASE_URL": "host=url"}, "profile", "profile dev in "),
    ],
)
def test_the_nearest_place_names_the_database(
    project: Path, arguments: tuple[str, ...], env: dict[str, str], origin: str, where: str
) -> None:
    """--dsn wins over --profile, that over the variables, those over the files."""
    found = _settings(project, *arguments, **env)["database"]
    assert found[1] == origin
    assert (found[2] or "").startswith(where)


@pytest.mark.parametrize(
    ("env", "origin", "where"),
    [
        ({"DATABASE_URL": "host=url", "PGHOST": "pg"}, "environment", "DATABASE_URL"),
        ({"PGHOST": "pg", "PGDATABASE": "x"}, "libpq", "PGHOST, PGDATABASE"),
        ({}, "default", None),
    ],
)
def test_without_files_the_variables_name_the_database(
    tmp_path: Path, env: dict[str, str], origin: str, where: str | None
) -> None:
    """DATABASE_URL wins over libpq's own variables, and nothing at all is said to be nothing."""
    assert _settings(tmp_path, **env)["database"][1:3] == (origin, where)


@pytest.mark.parametrize("arguments", [("--origin",), (), ("-o", "json"), ("-v", "--profile", "dev")])
def test_no_form_shows_a_password(project: Path, arguments: tuple[str, ...]) -> None:
    """Text, JSON and the detail of -v leave the passwords of profile, variable and password file out."""
    env = {
        "PGSERVICEFILE": str(project / "service.conf"),
        "PGPASSFILE": str(project / "pgpass"),
        "PGPASSWORD": PASSWORD,
    }
    said = specql_jobs("config", "show", *arguments, env=env, folder=project)
    assert said.code == 0
    assert "prod" in said.out
    assert PASSWORD not in said.out + said.err


def test_origin_is_asked_for_in_text(project: Path) -> None:
    """Text has two columns, with --origin four, and the line is file:line."""
    env = {"PGSERVICEFILE": str(project / "service.conf")}
    assert "ORIGIN" not in specql_jobs("config", "show", env=env, folder=project).out
    assert f"{project / 'specql-jobs.toml'}:1" in specql_jobs("config", "show", "--origin", env=env, folder=project).out


def test_a_service_that_no_file_has_is_an_error_with_a_way_out(project: Path) -> None:
    """libpq's own complaint becomes E216 with the file to write it into."""
    said = specql_jobs("config", "show", "-o", "json", folder=project)
    assert (said.code, said.error["code"]) == (2, "E216")
    assert "pg_service.conf" in said.error["hint"]


@pytest.mark.parametrize(("dsn", "code"), [("postgresql://[broken", "E211"), ("", "E210")])
def test_a_dsn_that_is_none_is_refused(tmp_path: Path, dsn: str, code: str) -> None:
    """What is no connection string is exit 2, as it would be for a connection."""
    said = specql_jobs("config", "show", "--dsn", dsn, "-o", "json", folder=tmp_path)
    assert (said.code, said.error["code"]) == (2, code)


def test_an_unknown_key_is_named_with_its_line_and_the_nearest(tmp_path: Path) -> None:
    """A mistyped key of the project's file is exit 2 with file:line and what was probably meant."""
    (tmp_path / "specql-jobs.toml").write_text('registry = "a"\n\n[profiles.prod]\nprotectd = true\n')
    said = specql_jobs("config", "show", folder=tmp_path)
    assert said.code == 2
    assert f"{tmp_path / 'specql-jobs.toml'}:4: unknown key `profiles.prod.protectd`" in said.err
    assert "did you mean `protected`?" in said.err


def test_an_unknown_profile_is_not_found(project: Path) -> None:
    """A profile that no file has is exit 3."""
    assert specql_jobs("config", "show", "--profile", "staging", folder=project).code == 3


def test_a_connection_is_made_by_the_service_file(dsn: str, tmp_path: Path) -> None:
    """A profile that names a service of libpq's file really leads to its database."""
    parts = conninfo_to_dict(dsn)
    lines = [f"{name}={value}" for name, value in parts.items() if name != "password"]
    (tmp_path / "service.conf").write_text("\n".join(["[here]", *lines]) + "\n")
    password = str(parts.get("password") or "unused")
    (tmp_path / "pgpass").write_text(f"*:*:*:*:{password}\n")
    (tmp_path / "pgpass").chmod(0o600)
    (tmp_path / "specql-jobs.toml").write_text('profile = "here"\n[profiles.here]\nservice = "here"\n')
    env = {"PGSERVICEFILE": str(tmp_path / "service.conf"), "PGPASSFILE": str(tmp_path / "pgpass")}
    said = specql_jobs("db", "status", "-o", "json", env=env, folder=tmp_path)
    assert said.code == 0
    assert said.data["pending"] == []
