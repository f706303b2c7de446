"""`compile` as a user calls it: SQL on stdout, findings beside it, files that are whole, every way that it can end."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from support.board import Board
from support.cli import Said, answering, specql_jobs
from support.compiled import FIXTURES

BROKEN = FIXTURES.parent / "entities" / "invoice.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the entities of order and payment, and a file that is none."""
    (tmp_path / "entities").mkdir()
    for name in ("order.yaml", "payment.yaml"):
        shutil.copy(FIXTURES / name, tmp_path / "entities" / name)
    (tmp_path / "entities" / "compose.yaml").write_text("services: {db: {image: postgres}}\n")
    return tmp_path


def compile_(folder: Path, *arguments: str) -> Said:
    return specql_jobs("compile", *arguments, folder=folder)


def test_sql_goes_to_stdout_and_findings_beside_it(project: Path) -> None:
    """What psql reads is SQL alone; warnings stand on stderr as validate prints them."""
    said = compile_(project, "entities/order.yaml")
    assert said.code == 0
    assert said.out.startswith("-- commerce.Order: compiled by specql-jobs")
    assert "entities/order.yaml:63:42: warning[SQJ642] Order.status is never 'refunded'" in said.err
    assert "SQJ642" not in said.out
    assert compile_(project, "entities/order.yaml").out == said.out


def test_json_has_steps_findings_and_files(project: Path) -> None:
    """Each call with its line, its INSERT and what it uses; the document is valid against its schema."""
    data = compile_(project, "entities", "-o", "json").data
    assert [step["name"] for step in data["steps"]][:2] == ["place_order.1", "process_payment_sync.1"]
    first = data["steps"][0]
    assert first["source"] == {"path": "entities/order.yaml", "line": 27, "column": 9}
    assert "INSERT INTO jobs.tb_job_run" in first["sql"]
    assert {"reference": "$order.total_amount", "sql": "_order.total_amount", "type": "numeric(19,4)"} in first[
        "parameters"
    ]
    assert [each["code"] for each in data["findings"]] == ["SQJ642", "SQJ642"]
    assert data["files"] == []


def test_an_entity_with_an_error_compiles_to_nothing(project: Path) -> None:
    """Exit 1, the finding at its line in text and JSON; the other entity is compiled all the same."""
    shutil.copy(BROKEN, project / "entities" / "invoice.yaml")
    said = compile_(project, "entities", "--out", "sql")
    assert (said.code, said.out) == (1, "")
    assert "entities/invoice.yaml:21:9: error[SQJ651] `if` is not compiled" in said.err
    assert sorted(path.name for path in (project / "sql").iterdir()) == ["commerce.order.sql", "public.payment.sql"]
    data = compile_(project, "entities/invoice.yaml", "-o", "json").data
    assert (data["steps"], data["files"]) == ([], [])
    assert ("SQJ651", 21) in {(each["code"], each["line"]) for each in data["findings"]}


def test_files_are_written_once_and_checked(project: Path) -> None:
    """Written, then unchanged; an edit by hand is stale: exit 1 with a unified diff, and --check writes nothing."""
    first = compile_(project, "entities", "--out", "sql/", "-o", "json").data["files"]
    assert [each["status"] for each in first] == ["written", "written"]
    path = project / first[0]["path"]
    content = path.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (first[0]["bytes"], first[0]["sha256"])
    again = compile_(project, "entities", "--out", "sql/", "--check", "-o", "json")
    assert (again.code, {each["status"] for each in again.data["files"]}) == (0, {"unchanged"})
    path.write_text(content.decode().replace("'stripe'", "'strip'", 1))
    said = compile_(project, "entities", "--out", "sql/", "--check")
    assert said.code == 1
    assert "--- sql/commerce.order.sql\n+++ sql/commerce.order.sql (compiled)" in said.out
    assert "-    'strip',\n+    'stripe',\n" in said.out
    assert b"'strip'," in path.read_bytes()
    assert compile_(project, "entities", "--out", "sql/").code == 0
    assert path.read_bytes() == content


def test_a_file_holds_all_and_a_missing_one_is_stale(project: Path) -> None:
    """--out with a suffix is one file for all entities; --check of one that is not there is exit 1."""
    missing = compile_(project, "entities", "--out", "all.sql", "--check")
    assert (missing.code, missing.out.splitlines()[0]) == (1, "--- /dev/null")
    assert not (project / "all.sql").exists()
    assert compile_(project, "entities", "--out", "all.sql").code == 0
    text = (project / "all.sql").read_text()
    assert text == compile_(project, "entities").out
    assert text.index("commerce.Order") < text.index("public.payment")


def test_one_action_and_one_step(project: Path) -> None:
    """--action leaves the others away, with the callbacks that it does not use; --step is one INSERT."""
    action = compile_(project, "entities/order.yaml", "--action", "place_order").out
    assert action.count("CREATE OR REPLACE FUNCTION") == 1
    step = compile_(project, "entities/order.yaml", "--step", "place_order.1").out
    assert step.startswith("-- place_order.1: one job of stripe.create_charge\nINSERT INTO jobs.tb_job_run")
    assert step in action.replace("\n  ", "\n")


def test_a_registry_is_held_against_the_calls(project: Path) -> None:
    """A service that the registry does not have is an error here as in validate."""
    (project / "reg.yaml").write_text(
        "services: {strip: {category: x, operations: {create_charge: {input_schema: {}}}}}\n"
    )
    said = compile_(project, "entities/order.yaml", "--registry", "reg.yaml")
    assert (said.code, said.out) == (1, "")
    assert "error[SQJ611] the registry has no service 'stripe'" in said.err
    (project / "bad.yaml").write_text("services: [\n")
    assert compile_(project, "entities/order.yaml", "--registry", "bad.yaml").code == 2


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("entities/order.yaml --step place_order.7", 3, "E315"),
        ("entities/order.yaml --action place_odrer", 3, "E315"),
        ("entities --check", 2, "E200"),
        ("entities --step place_order.1 --out x.sql", 2, "E200"),
        ("entities/order.yaml --env production", 2, "E200"),
        ("nowhere.yaml", 2, "E225"),
        ("entities --out entities/order.yaml/below/", 2, "E226"),
        ("entities --registry nowhere.yaml", 2, "E221"),
    ],
)
def test_wrong_calls_are_explained(project: Path, line: str, code: int, error: str) -> None:
    """Each has its exit code, and an error document with -o json."""
    said = compile_(project, *line.split(), "-o", "json")
    assert said.code == code, said.out
    assert said.error["code"] == error


def test_a_folder_without_entities_is_a_wrong_call(project: Path) -> None:
    """Nothing to compile is exit 2, never an empty success."""
    (project / "empty").mkdir()
    assert compile_(project, "empty").code == 2


def test_a_call_that_cannot_wait_is_a_warning_that_may_be_accepted(project: Path) -> None:
    """In an action and in a callback; a comment with a reason accepts it, for validate too."""
    inner = "{call_service: {service: s, operation: p, async: false}}"
    call = f"{{service: s, operation: o, async: false, on_success: [{inner}]}}"
    entity = project / "wait.yaml"
    text = f"entity: W\nfields: {{a: text}}\nactions:\n  - name: go\n    steps:\n      - call_service: {call}"
    entity.write_text(f"{text}\n")
    said = compile_(project, "wait.yaml")
    assert (said.code, said.err.count("warning[SQJ654]")) == (0, 2)
    entity.write_text(f"{text}  # specql-jobs: ignore[SQJ654] callers poll\n")
    assert "SQJ" not in compile_(project, "wait.yaml").err
    (project / "reg.yaml").write_text(
        "services: {s: {category: x, operations: {o: {input_schema: {}}, p: {input_schema: {}}}}}\n"
    )
    checked = specql_jobs("validate", "reg.yaml", "--entities", "wait.yaml", "--select", "SQJ6,SQJ09", folder=project)
    assert (checked.code, checked.out) == (0, "")


REGISTRY = """\
services:
  stripe_payment:
    category: money
    runner_config: {{base_url: "{url}"}}
    security_policy: {{allowed_domains: ["127.0.0.1"], allow_private_networks: true}}
    operations:
      create_charge:
        input_schema: {{amount: integer, currency: string, source: string, description: string?}}
        request: {{method: POST, path: /{path}, body: json}}
        max_retries: 0
      create_refund: {{input_schema: {{charge_id: any, amount: integer}}}}
"""


def test_compiled_applied_and_run_by_a_worker(board: Board, project: Path) -> None:
    """From the YAML to a real HTTP service and back: the callback of the answer, or of the refusal, writes the row."""
    with answering() as url:
        registry = project / "services.yaml"
        registry.write_text(REGISTRY.format(url=url, path="ok"))
        text = (project / "entities" / "payment.yaml").read_text().replace("$response.id", "$response.got.source")
        (project / "entities" / "payment.yaml").write_text(text)
        said = compile_(project, "entities/payment.yaml", "--registry", "services.yaml", "--tables")
        assert said.code == 0, said.err
        board.sql(said.out)
        for path, status in (("ok", ("completed", "tok'1", None)), ("no", ("failed", None, "402"))):
            registry.write_text(REGISTRY.format(url=url, path=path))
            ((row,),) = board.sql(
                "INSERT INTO tb_payment (order_id, amount_cents) VALUES (gen_random_uuid(), 5) RETURNING id"
            )
            ((answer,),) = board.sql(
                "SELECT process_payment(%s, card_token => %s, amount_cents => 5, currency => 'e', description => 'x')",
                row,
                "tok'1",
            )
            worked = board("worker", "--registry", str(registry), "--until-empty")
            assert worked.code == 0, worked.err
            assert board.status(answer["job_id"]) == status[0]
            ((state, charge, message),) = board.sql(
                "SELECT status, stripe_charge_id, error_message FROM tb_payment WHERE id = %s", row
            )
            assert (state, charge, status[2] is None or status[2] in message) == (status[0], status[1], True)
