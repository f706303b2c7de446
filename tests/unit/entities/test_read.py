"""Entities as values: both forms of actions and of steps, every call wherever it stands, places of the very tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from specql_jobs.core.entities.expression import Formula, Literal, Record, Reference
from specql_jobs.core.entities.load import load
from specql_jobs.core.entities.model import Entity, Field, ServiceCall, Verb, Write, every_step
from specql_jobs.core.errors import UsageError

FOLDER = Path(__file__).parents[2] / "fixtures" / "entities"


def entity(name: str) -> Entity:
    """One of the fixtures, which holds nothing wrong."""
    loaded = load([FOLDER / f"{name}.yaml"])
    assert loaded.findings == ()
    return loaded.entities[0]


def calls(name: str) -> list[ServiceCall]:
    return [call for _, call in entity(name).calls()]


def fields(name: str) -> dict[str, Field]:
    return dict(entity(name).fields)


def test_an_entity_has_name_schema_fields_and_actions() -> None:
    """What stands at the top of a file is in the value, with the types of the short form."""
    invoice = entity("invoice")
    assert (invoice.name, invoice.schema, invoice.whole) == ("Invoice", "billing", True)
    assert invoice.fields["state"].type.values == ("open", "booked", "refused")
    assert invoice.fields["number"].required
    assert not invoice.fields["due"].required
    assert [action.name for action in invoice.actions] == ["book"]


@pytest.mark.parametrize(
    ("name", "field", "json"),
    [
        ("invoice", "number", {"string"}),
        ("invoice", "total", {"number"}),
        ("invoice", "cents", {"integer"}),
        ("invoice", "labels", {"array"}),
        ("invoice", "customer", set()),
        ("document", "id", {"string"}),
        ("document", "size", {"integer"}),
    ],
)
def test_a_field_knows_which_json_its_values_become(name: str, field: str, json: set[str]) -> None:
    """Types of either form mean one JSON type; a reference to another entity means none that is known."""
    assert fields(name)[field].type.json == json


def test_the_long_form_has_enum_values_and_required() -> None:
    """`validation: {enum: …}` and `required: true` say what the short form says by enum(…) and an exclamation mark."""
    assert fields("document")["kind"].type.values == ("unknown", "image", "text")
    assert fields("document")["path"].required


def test_a_call_in_the_long_form_is_read_in_full() -> None:
    """Every key of a call is in the model, as the type that the queue wants."""
    call = calls("invoice")[0]
    assert call.whole == "ledger.post_entry"
    assert call.timeout is not None
    assert call.max_retries is not None
    assert (call.timeout.value, call.max_retries.value, call.waits) == (20, 0, False)
    assert isinstance(call.input, Record)
    assert list(call.input.entries) == ["account", "cents", "rate", "tags", "payer"]
    assert [outcome for outcome, _ in call.callbacks()] == ["success", "failure"]


def test_a_call_in_the_short_form_is_the_same_value() -> None:
    """`call_service: scanner` with method and args is a service, an operation and an input."""
    call = calls("document")[0]
    assert (call.whole, call.alias) == ("scanner.inspect", "look_job")
    assert isinstance(call.input, Record)
    path = call.input.entries["path"].value
    assert isinstance(path, Formula)
    assert [str(each) for each in path.references] == ["$input.folder", "$entity.path"]


def test_calls_inside_other_steps_and_callbacks_are_found_and_numbered() -> None:
    """A call under if, else and foreach, or in a callback, is a call of its action like any other."""
    assert [(call.whole, call.number) for call in calls("invoice")] == [
        ("ledger.post_entry", 1),
        ("ledger.reverse_entry", 2),
    ]
    assert [(call.whole, call.number) for call in calls("document")] == [
        ("scanner.inspect", 1),
        ("ledger.post_entry", 2),
    ]


def test_an_update_says_what_it_sets_in_every_form() -> None:
    """The text with SET and the mapping under set are assignments; the text's condition is apart."""
    writes = [step for step in every_step(entity("invoice").actions[0].steps) if isinstance(step, Write)]
    booked = next(step for step in writes if step.verb is Verb.UPDATE and len(step.values) == 2)
    assert [each.field for each in booked.values] == ["state", "scan"]
    assert isinstance(booked.values[0].value, Literal)
    assert booked.values[0].value.value == "booked"
    assert isinstance(booked.values[1].value, Reference)
    assert isinstance(booked.where, Formula)
    assert next(step for step in writes if step.verb is Verb.INSERT).alias == "copy"


def test_parts_of_a_text_have_their_own_columns() -> None:
    """Field, value and reference inside one text are found where they stand in its line."""
    path = FOLDER / "invoice.yaml"
    writes = [step for step in every_step(entity("invoice").actions[0].steps) if isinstance(step, Write)]
    booked = next(step for step in writes if len(step.values) == 2)
    value = booked.values[1].value
    assert isinstance(value, Reference)
    line = path.read_text().split("\n")[value.position.line - 1]
    assert line[value.position.column - 1 : value.position.end_column - 1] == "$response.entry_id"
    field = booked.values[1].position
    assert line[field.column - 1 : field.end_column - 1] == "scan"


def test_a_folder_is_read_to_its_bottom_and_other_files_are_named(tmp_path: Path) -> None:
    """Entities of inner folders count, hidden folders do not, and YAML that is no entity is skipped and said."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    text = (FOLDER / "document.yaml").read_text()
    for place in ("a/b/one.yaml", "a/two.yml", ".hidden/three.yaml"):
        (tmp_path / place).write_text(text)
    (tmp_path / "compose.yaml").write_text("services: {db: {image: x}}\n---\nsecond: 1\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "notes.txt").write_text(text)
    loaded = load([tmp_path, tmp_path / "a"])
    assert [Path(each.position.path).name for each in loaded.entities] == ["two.yml", "one.yaml"]
    assert sorted(Path(each).name for each in loaded.skipped) == ["compose.yaml", "empty.yaml"]
    assert (loaded.files, loaded.findings) == (2, ())


@pytest.mark.parametrize(
    "text", ["entity: [\n", "entity: Order\n---\nentity: Other\n", "entity: Order\nentity: Other\n"]
)
def test_an_entity_that_is_no_yaml_is_a_finding_even_in_a_folder(tmp_path: Path, text: str) -> None:
    """A file that claims to be an entity is never skipped because it cannot be read."""
    (tmp_path / "order.yaml").write_text(text)
    loaded = load([tmp_path])
    assert loaded.skipped == ()
    assert loaded.findings[0].code.startswith("SQJ0")


@pytest.mark.parametrize("text", ["", "services: {}\n", "- 1\n"])
def test_a_named_file_that_is_no_entity_is_a_finding(tmp_path: Path, text: str) -> None:
    """Whoever names a file means an entity."""
    path = tmp_path / "services.yaml"
    path.write_text(text)
    assert [found.code for found in load([path]).findings] == ["SQJ601"]


def test_a_registry_given_as_an_entity_is_told_so(tmp_path: Path) -> None:
    """Whoever names a registry learns where it belongs, at its `services`."""
    path = tmp_path / "services.yaml"
    path.write_text("# mine\nservices: {}\n")
    (found,) = load([path]).findings
    assert (found.position.line, "without --entities" in found.help) == (2, True)


def test_a_misspelt_entity_is_found_where_it_stands(tmp_path: Path) -> None:
    """The key that is nearly `entity` is where the finding points."""
    path = tmp_path / "order.yaml"
    path.write_text("# mine\nentty: order\n")
    (found,) = load([path]).findings
    assert (found.code, found.position.line) == ("SQJ601", 2)
    assert "did you mean `entity`" in found.help


@pytest.mark.parametrize(("key", "meant"), [("action", "actions"), ("acitons", "actions"), ("feilds", "fields")])
def test_a_misspelt_section_is_found(tmp_path: Path, key: str, meant: str) -> None:
    """Actions and fields under a misspelt key would be passed over, and every call in them."""
    path = tmp_path / "order.yaml"
    path.write_text(f"entity: order\n{key}: {{a: {{}}}}\n")
    (found,) = load([path]).findings
    assert (found.code, found.position.line, found.help) == ("SQJ601", 2, f"did you mean `{meant}`?")


@pytest.mark.parametrize("head", ["entity: order", "entity: {name: order, actions: []}"])
def test_a_section_that_is_there_is_not_asked_for(tmp_path: Path, head: str) -> None:
    """Other words beside what is stated are the author's own."""
    path = tmp_path / "order.yaml"
    path.write_text(f"{head}\n{'' if 'name' in head else 'actions: []'}\naction: {{a: {{}}}}\n")
    assert load([path]).findings == ()


def test_a_path_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    """A path nobody can read is no empty folder."""
    with pytest.raises(UsageError) as caught:
        load([tmp_path / "nowhere"])
    assert caught.value.code == "E225"
