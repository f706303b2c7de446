"""Who may take away from a policy, and how: the host ceiling, silently, and a queue row, which may only narrow.

Pure. A row is data from strangers: what it asks for beyond the policy, and what cannot be read as a term of one, is a
violation and never ignored. `Policy`'s field metadata says how two values of a field become the narrower.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from .allowlists import admits, exactly
from .contract import Violation
from .job import ExecutionType
from .policy import Policy
from .policy_terms import Misstated, Stated, apply, current, read_terms

if TYPE_CHECKING:
    from .registry.model import Service

_NONE_STATED: Final[Mapping[str, tuple[Any, ...]]] = {}
#: Longer texts are not read as Python literals: parsing is not bounded by the length alone.
LONGEST_LITERAL: Final = 16384
_DEEPEST_LITERAL: Final = 20

_MEET: Final = {item.name: item.metadata["meet"] for item in fields(Policy)}


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What no registry on this host may exceed: terms for every service, and terms by execution type."""

    everywhere: tuple[Stated, ...] = ()
    by_type: Mapping[ExecutionType, tuple[Stated, ...]] = field(default_factory=dict)
    path: str = ""

    def terms(self, kind: ExecutionType) -> tuple[Stated, ...]:
        """Return the terms that hold for services of that execution type."""
        return (*self.everywhere, *self.by_type.get(kind, ()))

    def hold(self, policy: Policy, kind: ExecutionType) -> tuple[Policy, tuple[str, ...]]:
        """Return the stricter of policy and ceiling, and the keys that the ceiling decided."""
        return meet_terms(policy, self.terms(kind))


# ---- the ceiling -----------------------------------------------------------------------------------------------------


def meet(policy: Policy, stated: Mapping[str, object]) -> tuple[Policy, tuple[str, ...]]:
    """Return the stricter of `policy` and the terms that are stated, and the keys that made a difference.

    Raise ValueError for a key that is no term of a policy: a ceiling with a typing error must not be no ceiling.
    """
    terms = []
    for term in read_terms(stated):
        if isinstance(term, Misstated):
            raise ValueError(term.message)
        terms.append(term)
    return meet_terms(policy, tuple(terms))


def meet_terms(policy: Policy, terms: tuple[Stated, ...]) -> tuple[Policy, tuple[str, ...]]:
    """Return the stricter of `policy` and the terms, and the keys that made a difference."""
    decided: list[str] = []
    for term in terms:
        before = current(policy, term.field)
        after = narrower(term.field, before, term.value)
        if after != before:
            policy = apply(policy, term.field, after)
            decided.append(term.key)
    return policy, tuple(decided)


def narrower(name: str, ours: Any, theirs: Any) -> Any:
    """Return the narrower of two values of a policy field; None is `not limited`."""
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    rule = "least" if name.startswith("resources.") else _MEET[name]
    if callable(rule):
        return _meet_lists(rule, ours, theirs)
    if isinstance(rule, tuple):
        return min(ours, theirs, key=rule.index)
    return _MEETINGS[rule](ours, theirs)


def _meet_lists(covers: Callable[[str, str], bool], ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    """Entries of either list that the other one covers: `*.x` and `a.x` meet in `a.x`."""
    kept = [entry for entry in ours if _covered(covers, theirs, entry)]
    kept += [entry for entry in theirs if entry not in kept and _covered(covers, ours, entry)]
    return tuple(kept)


def _covered(covers: Callable[[str, str], bool], entries: tuple[str, ...], entry: str) -> bool:
    """Whether some entry admits all that `entry` admits."""
    if entry in entries:
        return True
    if entry.startswith("*."):
        # Any one name below decides for all: an exact entry cannot cover it, a wildcard covers by its suffix alone.
        return any(other.startswith("*.") and covers(other, "x" + entry[1:]) for other in entries)
    if entry.endswith(":*") and covers is not exactly:
        return False
    return admits(entries, entry, covers)


_MEETINGS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "all": lambda ours, theirs: ours and theirs,
    "any": lambda ours, theirs: ours or theirs,
    "least": min,
    "common": lambda ours, theirs: tuple(item for item in ours if item in theirs),
}


# ---- a row -----------------------------------------------------------------------------------------------------------


def narrow(
    policy: Policy, asked: Mapping[str, object], declared: Mapping[str, tuple[Any, ...]] = _NONE_STATED
) -> tuple[Policy, tuple[Violation, ...]]:
    """Return the policy narrowed by a row's security_context, and a violation for all that it may not ask.

    `declared` is `Service.declared_policy`: a row that repeats what the registry states in some environment asks for
    nothing, and changes nothing unless it is narrower.
    """
    violations: list[Violation] = []
    for key, value in asked.items():
        literal = unquoted(value)
        repeats = _repeats(value, literal, declared.get(key, ()))
        for term in read_terms({key: literal}):
            policy, refused = _take(policy, term, repeats=repeats)
            violations.extend(refused)
    return policy, tuple(violations)


def _take(policy: Policy, term: Stated | Misstated, *, repeats: bool) -> tuple[Policy, tuple[Violation, ...]]:
    if isinstance(term, Misstated):
        violation = Violation(
            "row_policy_invalid", f"the row's security_context: {term.message}", term.key[:80] or "security_context"
        )
        return policy, () if repeats else (violation,)
    allowed = current(policy, term.field)
    if _within(term.field, term.value, allowed):
        return apply(policy, term.field, term.value), ()
    if repeats:
        return policy, ()
    message = f"the row's security_context asks for more {term.key} than the policy allows; it may only narrow it"
    return policy, (Violation("row_widens_policy", message, term.key),)


def _within(name: str, asked: Any, allowed: Any) -> bool:
    """Whether the value asked for is the narrower one, entry for entry."""
    met = narrower(name, allowed, asked)
    return sorted(met) == sorted(asked) if isinstance(asked, tuple) else bool(met == asked)


def _repeats(value: object, literal: object, declared: tuple[Any, ...]) -> bool:
    return any(_same(value, each) or _same(literal, each) for each in declared)


def unquoted(value: object) -> object:
    """Return the list or mapping that a text holds as a Python literal, as today's SpecQL writes them, or the value."""
    if not isinstance(value, str) or not value.startswith(("[", "{")) or len(value) > LONGEST_LITERAL:
        return value
    if _depth(value) > _DEEPEST_LITERAL:
        return value
    try:
        found: object = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return found if isinstance(found, list | dict) else value


def _depth(text: str) -> int:
    deepest = level = 0
    for sign in text:
        level += (sign in "[{(") - (sign in "]})")
        deepest = max(deepest, level)
    return deepest


def config_violations(service: Service, row_config: Mapping[str, object]) -> tuple[Violation, ...]:
    """Return a violation for each key of a row's runner_config that does not repeat what the registry declares."""
    return tuple(
        Violation(
            "row_config_differs",
            f"the row's runner_config sets {key[:80]!r} to what the registry does not state for {service.name}",
            f"runner_config.{key[:80]}",
        )
        for key, value in row_config.items()
        if not _repeats(value, unquoted(value), service.declared_config.get(key, ()))
    )


def _same(value: object, declared: object) -> bool:
    """Equal in value and type (1 is not true), or the text that SpecQL writes for what the registry declares."""
    if isinstance(value, str) and not isinstance(declared, str):
        return value == str(_plain(declared)) or (isinstance(declared, bool) and value == str(declared).lower())
    return _plain(value) == _plain(declared) and _kinds(value) == _kinds(declared)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(below) for below in value]
    return value


def _kinds(value: object) -> object:
    """The shape of a value with booleans told from numbers; 30 and 30.0 are one number in JSON."""
    if isinstance(value, Mapping):
        return {str(key): _kinds(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_kinds(below) for below in value]
    return isinstance(value, bool)
