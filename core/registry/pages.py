"""What `explain` says: the pages of rules, of errors and of the categories of failed jobs, kept as data in page_texts/.

A rule's examples are whole registries, or whole entities beside a registry. Those of a comparison have a third,
`before`, that both are compared with, or `queued`, jobs that wait for both. In the bad one `# <--` ends the line of the
finding, or `line` counts it where a comment would change the example. Tests hold every example against the rules, so
that pages stay true.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import yaml

from ..errors import NotFound, SpecqlJobsError
from ..job import Category
from .codes import COMPARED, RULES

MARK: Final = "# <--"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Page:
    """One code explained; `bad` and `good` are empty for errors and categories, which no file causes alone."""

    code: str
    name: str
    severity: str  # error, warning or info; "" for an error code and a category
    why: str
    fix: str
    bad: str = ""
    good: str = ""
    line: int = 0  # of the finding in `bad`
    beside: str = ""  # another file that belongs to both examples
    ceiling: str = ""  # the host's policy file for both examples
    registry: str = ""  # what both examples are held against, when they are entities
    variables: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    before: str = ""  # the version that both examples are compared with
    queued: tuple[Mapping[str, Any], ...] = ()  # jobs that are in the queue when both examples are checked
    suppressible: bool = False
    looks: str = ""  # of a category: how `show` says it
    commands: tuple[str, ...] = ()  # of a category: what to type, with ID, SERVICE and OPERATION to fill in

    @property
    def kind(self) -> str:
        """Return what the code belongs to: a rule's severity, or `exit` for an error, `job` for a category."""
        return self.severity or ("job" if self.commands else "exit")


def pages() -> Mapping[str, Page]:
    """Return every page by its code: rules first, then errors, then categories."""
    return _pages()


def page(code: str) -> Page:
    """Return the page of a code in any case, or of a page's name; raise NotFound with near ones. Codes come first."""
    known, word = pages(), code.lower()
    found = (
        known.get(code.upper()) or known.get(word) or next((each for each in known.values() if each.name == word), None)
    )
    if found is None:
        raise NotFound(
            f"no rule, error or category has the code {code[:80]!r}", hint=_near(code), code="E311", name="unknown-code"
        )
    return found


def _near(code: str) -> str:
    by_word = {
        **{each.upper(): each for each in pages()},
        **{each.name.upper(): each.code for each in pages().values()},
    }
    begun = [each for each in pages() if code and each.upper().startswith(code.upper())][:3]
    near = begun or difflib.get_close_matches(code.upper(), list(by_word), n=3, cutoff=0.6)
    found = list(dict.fromkeys(by_word[word] for word in near))
    return f"did you mean {' or '.join(found)}?" if found else "specql-jobs explain --all lists every code"


@lru_cache(maxsize=1)
def _pages() -> Mapping[str, Page]:
    texts = dict(_texts())
    rules = {code: _rule(code, texts[code]) for code in RULES}
    names = _error_names()
    errors = {
        code: _error(code, text.get("name") or names[code], text)
        for code, text in texts.items()
        if code.startswith("E")
    }
    categories = {str(each): _category(str(each), texts[each]) for each in Category}
    return MappingProxyType({**rules, **errors, **categories})


def _texts() -> Iterator[tuple[str, Mapping[str, Any]]]:
    folder = files(__name__.rpartition(".")[0]) / "page_texts"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml"):
            yield from yaml.load(file.read_text("utf-8"), Loader=_LOADER).items()  # noqa: S506 - the safe loader


def _rule(code: str, text: Mapping[str, Any]) -> Page:
    rule = RULES[code]
    fix = text.get("fix") or f"{rule.help[:1].upper()}{rule.help[1:]}."
    suppressible = (rule.severity != "error" or code in COMPARED) and not code.startswith("SQJ09")
    bad = text["bad"]
    line = text.get("line") or _marked(bad)
    return Page(
        code,
        rule.name,
        str(rule.severity),
        text["why"],
        fix,
        bad,
        text["good"],
        line,
        text.get("beside", ""),
        text.get("ceiling", ""),
        text.get("registry", ""),
        text.get("variables", _NOTHING),
        text.get("before", ""),
        tuple(text.get("queued", ())),
        suppressible,
    )


def _marked(text: str) -> int:
    return next((number for number, line in enumerate(text.split("\n"), 1) if line.endswith(MARK)), 0)


def _error(code: str, name: str, text: Mapping[str, Any]) -> Page:
    return Page(code, name, "", text["why"], text["fix"])


def _category(code: str, text: Mapping[str, Any]) -> Page:
    commands = tuple(f"specql-jobs {each}" for each in text["commands"])
    return Page(code, text["name"], "", text["why"], text["fix"], looks=text["looks"], commands=commands)


def _error_names() -> dict[str, str]:
    """The names of codes that belong to a class; codes of one place have theirs on their page."""
    kinds: list[type[SpecqlJobsError]] = [SpecqlJobsError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return {kind.code: kind.name for kind in kinds}
