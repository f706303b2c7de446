"""`--select` and `--ignore`: which rules count, by code or by the beginning of codes (`SQJ4`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..core.registry.model import Finding


def chosen(
    findings: Iterable[Finding], select: Sequence[str] | None, ignore: Sequence[str] | None
) -> tuple[Finding, ...]:
    """Return the findings of selected rules (all, when none is named) that are not ignored.

    Of a rule that both name, the longer word decides, so that `--ignore SQJ4 --select SQJ401` keeps one rule. Raise
    UsageError for a word that begins no code.
    """
    wanted, unwanted = _prefixes(select, "--select"), _prefixes(ignore, "--ignore")
    return tuple(each for each in findings if _counts(each.code, wanted, unwanted))


def _counts(code: str, wanted: Sequence[str], unwanted: Sequence[str]) -> bool:
    taken = max((len(word) for word in wanted if code.startswith(word)), default=0)
    left = max((len(word) for word in unwanted if code.startswith(word)), default=0)
    return taken > left if wanted else not left


def _prefixes(given: Sequence[str] | None, flag: str) -> tuple[str, ...]:
    words = tuple(word.strip().upper() for text in given or () for word in text.split(","))
    for word in words:
        _require_known(word, flag)
    return words


def _require_known(word: str, flag: str) -> None:
    from ..core.registry.codes import RULES  # noqa: PLC0415 - the registry's model, not needed by help

    if word and any(code.startswith(word) for code in RULES):
        return
    near = get_close_matches(word, RULES, n=1)
    hint = f"did you mean {near[0]}?" if near else "write a code such as SQJ402, or the beginning of one: SQJ4"
    raise UsageError(
        f"{flag} {word or '(empty)'}: no rule's code begins so", hint=hint, code="E206", name="rule-unknown"
    )
