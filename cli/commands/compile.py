"""`compile`: entities to SQL; reads files and writes files, no database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ...core.errors import NotFound, RegistryError, UsageError
from ..context import DEFAULT_REGISTRIES, read_registry, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..options import Sources
from ..output.console import Console

if TYPE_CHECKING:
    from ...core.entities.load import Entities
    from ...core.registry.model import Registry
    from ...core.specql.compiler import CompiledEntity
    from ...core.specql.job_insert import CompiledStep

app = group("SpecQL entities to SQL.")


@dataclass(frozen=True, slots=True)
class Compiling:
    """What is compiled, and where it goes."""

    entities: Annotated[list[str], Argument(metavar="ENTITY...", help="SpecQL entity files, or folders of them")]
    registry: Annotated[
        list[str] | None, Option("--registry", "-r", metavar="PATH", help="Hold the calls against this registry")
    ] = None
    env: Annotated[str, Option("--env", metavar="NAME", help="Overlay of the registry: production, …")] = ""
    action: Annotated[
        list[str] | None, Option("--action", metavar="NAME", help="This action alone; may be repeated")
    ] = None
    step: Annotated[str, Option("--step", metavar="NAME", help="The INSERT of one call alone: ACTION.NUMBER")] = ""
    schema: Annotated[str, Option("--schema", metavar="NAME", help="Of entities that name none; SpecQL has public")] = (
        "public"
    )
    tables: Annotated[bool, Option("--tables", help="The tables too, where they are not there: to try actions out")] = (
        False
    )
    out: Annotated[
        str, Option("--out", metavar="FILE|DIR", help="Write FILE.sql, or a file for each entity into a folder")
    ] = ""
    check: Annotated[bool, Option("--check", help="Write nothing; show how --out differs from what it would be")] = (
        False
    )


@command(
    app,
    "compile entities/order.yaml",
    "compile entities/ --registry services.yaml --out db/functions/",
    "compile entities/ --out db/functions/ --check",
    "compile entities/order.yaml --step place_order.1",
    "compile entities/ --tables | psql -1 shop",
    name="compile",
)
def compile_entities(console: Console, what: Compiling) -> None:
    """Compile SpecQL entities to SQL.

    A function for each action, one INSERT for each call_service step in it, and the callbacks with their
    registration. Findings are told as by validate; an entity with an error compiles to nothing. Exit 1 with errors, or
    when --check finds a difference.
    """
    if what.check and not what.out:
        raise UsageError("--check wants to know what is checked", hint="add --out FILE, as when it was written")
    registry = _registry(console, what)
    held = _read(console, what.entities, registry)
    compiled = _compile(held, registry, what)
    findings = _findings(held, compiled)
    failed = any(str(each.severity) == "error" for each in findings)
    files = _files(what, compiled)
    _tell(console, held, findings)
    data = {
        "steps": [_step_json(each) for entity in compiled for each in entity.steps if what.step in ("", each.name)],
        "findings": _findings_json(findings),
        "files": files.as_json(),
    }
    console.answer(data, lambda: files.difference() if what.check else _text(what, compiled))
    files.say(console)
    raise Finished(Exit.NEGATIVE if failed or (what.check and files.stale) else Exit.OK)


def _registry(console: Console, what: Compiling) -> Registry | None:
    """The registry that is named, configured, or lies here; without one, calls are only compiled."""
    settings = settings_for(console)
    named = what.registry or settings.registry or any(Path(name).exists() for name in DEFAULT_REGISTRIES)
    if not named:
        if what.env:
            raise UsageError("--env without a registry", hint="name it: --registry services.yaml")
        console.detail("no registry: what calls name and send is not held against one (--registry)")
        return None
    try:
        return read_registry(Sources(registry=what.registry, env=what.env), settings)[0]
    except RegistryError as error:
        error.hint = error.hint or "specql-jobs validate says where"
        raise


def _read(console: Console, paths: list[str], registry: Registry | None) -> Entities:
    from ...core.entities.load import hold, load  # noqa: PLC0415 - yaml

    if any(not path.strip() for path in paths):
        raise UsageError("the path of an entity is empty", hint="name a file or a folder")
    loaded = load([Path(path) for path in paths])
    if not loaded.files:
        raise UsageError(
            f"no entity was found in {', '.join(paths)[:200]}", hint="an entity is YAML with the key `entity`"
        )
    if loaded.skipped:
        console.detail(f"skipped, no entities: {', '.join(loaded.skipped)}")
    return hold(loaded, registry)


def _compile(held: Entities, registry: Registry | None, what: Compiling) -> tuple[CompiledEntity, ...]:
    from ...core.specql.compiler import Wanted, compile_entities  # noqa: PLC0415 - only this command compiles

    known = {action.name for entity in held.entities for action in entity.actions}
    for name in what.action or ():
        _require(name, known, "action", "--action")
    actions = frozenset(what.action or ())
    if what.step:
        actions |= {what.step.rpartition(".")[0]} & known
    wanted = Wanted(actions=actions, tables=what.tables, schema=what.schema)
    compiled = compile_entities(held.entities, registry, wanted, held.findings)
    if what.step and any(entity.sql for entity in compiled):
        _require(what.step, {step.name for entity in compiled for step in entity.steps}, "step", "--step")
    return compiled


def _require(name: str, known: set[str], kind: str, flag: str) -> None:
    if name in known:
        return
    from difflib import get_close_matches  # noqa: PLC0415 - only for a slip

    near = get_close_matches(name, sorted(known), n=1) or sorted(known)[:10]
    hint = f"{flag} {near[0]}" if len(near) == 1 else f"there are {', '.join(near)}" if near else "there is none"
    raise NotFound(f"the entities have no {kind} {name[:80]!r}", hint=hint, code="E315", name="step-unknown")


# ---- what is said ----------------------------------------------------------------------------------------------------


def _findings(held: Entities, compiled: tuple[CompiledEntity, ...]) -> list[Any]:
    from ...core.registry.suppressions import suppress  # noqa: PLC0415 - yaml

    made = [one for entity in compiled for one in entity.findings]
    every = dict.fromkeys([*held.findings, *suppress(made, held.sources, whole=False)[0]])
    return sorted(every, key=lambda each: (each.position.path, each.position.line, each.position.column, each.code))


def _findings_json(findings: list[Any]) -> list[dict[str, Any]]:
    from ..output import finding_text  # noqa: PLC0415 - only when there is an answer

    return [finding_text.as_json(each) for each in findings]


def _tell(console: Console, held: Entities, findings: list[Any]) -> None:
    """Findings are talk here: stdout is SQL, and may go straight into psql."""
    if findings and not console.is_json:
        from ..output import finding_text  # noqa: PLC0415 - only where something was found

        told = [each for each in findings if not console.quiet or str(each.severity) == "error"]
        plain = replace(console, colour="never")  # colours are decided for stdout
        console.prompt(finding_text.report(told, held.sources, plain) + "\n" if told else "")


def _text(what: Compiling, compiled: tuple[CompiledEntity, ...]) -> str:
    if what.step:
        return "\n\n".join(step.sql for entity in compiled for step in entity.steps if step.name == what.step)
    return "" if what.out else "\n".join(entity.sql for entity in compiled if entity.sql)


def _step_json(step: CompiledStep) -> dict[str, Any]:
    at = step.position
    return {
        "name": step.name,
        "service": step.service,
        "operation": step.operation,
        "source": {"path": at.path, "line": at.line, "column": at.column},
        "sql": step.sql,
        "parameters": [
            {"reference": each.reference, "sql": each.sql, "type": each.type or None} for each in step.parameters
        ],
        "depends_on": list(step.depends_on),
    }


def _files(what: Compiling, compiled: tuple[CompiledEntity, ...]) -> Any:
    from ..sql_files import SqlFiles  # noqa: PLC0415 - hashlib and difflib

    if what.step and what.out:
        raise UsageError("--step and --out together", hint="--step prints one INSERT: send it to a file with >")
    files = SqlFiles.of(
        what.out, {f"{each.schema}.{each.entity.name.lower()}": each.sql for each in compiled if each.sql}
    )
    if not what.check:
        files.write()
    return files
