"""One file's tree to services and findings: check the shape, lay the environment over, apply the rules, build.

With no environment chosen, every one that the file declares is merged and checked too, so that a mistake in production
shows on a laptop; there a variable that is not set is no mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from . import rules, shape
from .build import build_service
from .canonical import Named, by_name, canonical, execution_type
from .codes import finding
from .declared import declared
from .mistaken import file_shape, service_shape
from .model import Finding, Position, Service, Severity
from .name_rules import misspelt
from .nodes import Node, Pair, token, unresolved, with_value
from .overlay import NOT_ENVIRONMENTS, environments, merge_services
from .scalar_rules import ambiguous
from .variables import fill

Services = dict[str, Named]  # by lower-case name


@dataclass(slots=True)
class Assembled:
    """What one file defines; `services` makes them, when none of its findings is an error."""

    services: Callable[[], dict[str, Service]]
    defined: Services
    findings: list[Finding]
    environments: tuple[str, ...]


@dataclass(slots=True)
class _Work:
    """One file on its way: what is found so far, and the services whose own shape is wrong."""

    environment: str
    findings: list[Finding] = field(default_factory=list)
    unshaped: set[str] = field(default_factory=set)
    unresolved: bool = False  # whether any variable has no value here

    def add(self, *found: Finding) -> None:
        self.findings.extend(found)


def assemble(root: Node, environment: str, variables: Mapping[str, str]) -> Assembled:
    """Return what a file's tree defines in an environment ("" is none)."""
    work = _Work(environment)
    filled = _filled(root, variables, work)
    work.add(*ambiguous(root))
    work.add(*file_shape(filled))
    base = _base(filled, work)
    variants = {"": base, **_variants(filled, base, work)}
    for name, services in variants.items():
        if name == environment or not environment:
            _check(services, base, work, overlaid=bool(name))
    services = variants.get(environment, base)
    known = tuple(name for name in variants if name)
    if not services and not has_errors(work.findings):
        work.add(_no_services(filled, known))
    findings = [each for each in _once(work.findings) if not _replaced(each, services, environment)]
    return Assembled(partial(_built, services, (root, filled), tuple(variants.values())), services, findings, known)


def _built(services: Services, roots: tuple[Node, ...], variants: tuple[Services, ...]) -> dict[str, Service]:
    """The services of a file without errors, each with what it declares anywhere in the file."""
    repeats = declared(roots, variants)
    return {key: build_service(entry, *repeats(key)) for key, entry in services.items()}


def has_errors(findings: list[Finding]) -> bool:
    """Whether any finding makes a registry unusable."""
    return any(found.severity is Severity.ERROR for found in findings)


def _once(findings: list[Finding]) -> Iterator[Finding]:
    """Each finding once, and no `yes` that looks like a switch where a switch was wanted: that is said already."""
    refused = {each.position for each in findings if each.code == "SQJ102"}
    for each in dict.fromkeys(findings):
        if each.code != "SQJ012" or each.position not in refused:
            yield each


def _no_services(root: Node, known: tuple[str, ...]) -> Finding:
    hint = f"; choose an environment: {', '.join(known)}" if known else ""
    return finding("SQJ106", f"the file defines no service{hint}", token(root.position))


# ---- variables -------------------------------------------------------------------------------------------------------


def _filled(root: Node, variables: Mapping[str, str], work: _Work) -> Node:
    """The tree with variables filled in; an unset one counts everywhere but in environments that are not chosen."""

    def each(pair: Pair, *, counts: bool) -> Pair:
        node, findings = fill(pair.node, variables)
        work.unresolved |= bool(findings)
        work.add(*(findings if counts else ()))
        return Pair(pair.key, node)

    pairs = {}
    overlays = {entry.name for entry in environments(root)}
    for key, pair in root.pairs.items():
        if key == "environments":
            inner = {name: each(below, counts=name == work.environment) for name, below in pair.node.pairs.items()}
            same = all(each.node is pair.node.pairs[name].node for name, each in inner.items())
            pairs[key] = pair if same else Pair(pair.key, with_value(pair.node, inner))
        else:
            of_other = key in overlays and key not in NOT_ENVIRONMENTS and key != work.environment
            pairs[key] = each(pair, counts=not of_other)
    same = all(each.node is root.pairs[name].node for name, each in pairs.items())
    return root if same else with_value(root, pairs)


def _replaced(found: Finding, services: Services, environment: str) -> bool:
    """Whether a variable is missing only in a value that the chosen environment replaces."""
    if found.code != "SQJ008" or not environment:
        return False
    used = (node.position for entry in services.values() for node in unresolved(entry.node))
    return not any(_inside(found.position, position) for position in used)


def _inside(at: Position, around: Position) -> bool:
    start, end = (around.line, around.column), (around.end_line, around.end_column)
    return start <= (at.line, at.column) < end


# ---- services --------------------------------------------------------------------------------------------------------


def _base(root: Node, work: _Work) -> Services:
    """The services outside any environment; what is wrong with their shape is found as they are written."""
    stated = root.get("services")
    if stated is None:
        return {}
    found, doubles = by_name(stated, "service")
    work.add(*doubles, *_list_form(stated))
    changed = _changed_here(root, work.environment)
    for key, entry in found.items():
        written = _as_written(stated, entry)
        if key in changed:  # the merged service decides what is missing
            problems = shape.check(written, _form(stated), _subject(entry))
            problems = tuple(each for each in problems if each.code != "SQJ103")
        else:
            problems = service_shape(written, _form(stated), entry)
        work.add(*problems)
        if has_errors(list(problems)):
            work.unshaped.add(key)
    return {key: _canonical(entry, None, work) for key, entry in found.items() if isinstance(entry.node.value, Mapping)}


def _form(stated: Node) -> str:
    return "named_service" if stated.items else "service"


def _subject(entry: Named) -> shape.Subject:
    return shape.Subject(entry.name, entry.name, entry.position)


def _as_written(stated: Node, entry: Named) -> Node:
    """The service with its name in it again, when the list form is what is checked."""
    if not stated.items:
        return entry.node
    label = Node(entry.name, entry.position, text=entry.name, filled=entry.name)
    return with_value(entry.node, {"name": Pair(entry.position, label), **entry.node.pairs})


def _list_form(stated: Node) -> Iterator[Finding]:
    """What only the list form asks for: a name that can be used, and SpecQL's category."""
    for index, item in enumerate(stated.items):
        label = item.get("name")
        if label is None or not isinstance(label.value, str):
            yield from shape.check(item, "named_service", shape.Subject(f"services[{index}]"))
        elif item.get("category") is None:
            yield finding("SQJ110", f"{label.value[:80]} has no category", label.position, service=label.value)


def _changed_here(root: Node, environment: str) -> set[str]:
    """Names of the services that the chosen environment changes."""
    chosen = [entry.node for entry in environments(root) if environment and entry.name == environment]
    return {key for node in chosen for key in by_name(node.get("services"), "service")[0]}


def _canonical(entry: Named, base: Named | None, work: _Work) -> Named:
    stated = entry.node if base is None or entry.node.get("execution_type") else base.node
    node, doubles = canonical(entry.node, execution_type(stated))
    work.add(*(replace(found, service=entry.name) for found in doubles))
    return Named(entry.name, entry.position, node)


# ---- environments ----------------------------------------------------------------------------------------------------


def _variants(root: Node, base: Services, work: _Work) -> dict[str, Services]:
    """The services of each environment: the base with its changes laid over."""
    variants: dict[str, Services] = {}
    for entry in environments(root):
        changed, doubles = by_name(entry.node.get("services"), "service")
        work.add(*doubles, *misspelt(changed, base, entry.name))
        before = variants.get(entry.name, base)
        changes = {
            key: _canonical(each, before.get(key), work)
            for key, each in changed.items()
            if isinstance(each.node.value, Mapping)
        }
        variants[entry.name] = merge_services(before, changes)
    return variants


def _check(services: Services, base: Services, work: _Work, *, overlaid: bool) -> None:
    """Hold services to the rules; those that an environment changed or added, to the shape as well."""
    for key, entry in services.items():
        changed = overlaid and base.get(key) is not entry
        checked_already = overlaid and not changed and not work.environment
        if key in work.unshaped:
            work.add(*rules.check_schemas(entry))
        if key in work.unshaped or checked_already:
            continue
        found = shape.check(entry.node, "service", _subject(entry)) if changed else ()
        work.add(*found)
        known = not (work.unresolved and any(unresolved(entry.node))) or shape.fits(entry.node, "service")
        if known and not has_errors(list(found)):
            work.add(*rules.check(entry))
