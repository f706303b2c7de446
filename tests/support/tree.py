"""The project's own files as data, for the tests that hold them to the house rules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("core", "runners", "cli", "schemas")

#: Statements that open a block which a reader must keep in mind.
BLOCKS: Final = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file: `path` is relative to the root, with forward slashes."""

    path: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> tuple[str, ...]:
        """The folders that the file stands in."""
        return tuple(self.path.split("/")[:-1])

    def functions(self) -> Iterator[Function]:
        """Yield every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def at(self, node: ast.AST) -> str:
        """Return path:line of a node."""
        return f"{self.path}:{getattr(node, 'lineno', 0)}"


@dataclass(frozen=True)
class Import:
    """One imported module, resolved: `name` is absolute, from the root of the tree when it was relative."""

    name: str
    relative: bool
    where: str
    for_types_only: bool


@cache
def ignored() -> tuple[set[str], set[str]]:
    """Return folder names and suffixes that .gitignore leaves out."""
    lines = [line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines()]
    return {line for line in lines if "*" not in line} | {".git"}, {line[1:] for line in lines if line.startswith("*")}


@cache
def files() -> tuple[Path, ...]:
    """Return every file of the project, relative to the root; what git ignores is left out."""
    names, suffixes = ignored()

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name in names or path.suffix in suffixes or path.is_symlink():
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path.relative_to(ROOT)

    return tuple(walk(ROOT))


@cache
def source(path: str) -> Source:
    """Return one file, parsed."""
    text = (ROOT / path).read_text("utf-8")
    return Source(path, text, ast.parse(text, path))


def sources(*folders: str) -> list[Source]:
    """Return the Python files below some top folders, or all of them."""
    python = [path for path in files() if path.suffix == ".py"]
    return [source(path.as_posix()) for path in python if not folders or path.parts[0] in folders]


def texts() -> Iterator[tuple[str, str]]:
    """Yield path and text of every file that is text."""
    for path in files():
        try:
            yield path.as_posix(), (ROOT / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue


def imports(file: Source) -> Iterator[Import]:
    """Yield what a file imports, wherever in it the statement stands."""
    unreal = {id(node) for block in _type_checking(file.tree) for node in ast.walk(block)}
    for node in ast.walk(file.tree):
        for name, relative in _names(node, file.package):
            yield Import(name, relative, file.at(node), id(node) in unreal)


def _type_checking(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from node.body


def _names(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, False) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else ()
        stem = ".".join((*above, *filter(None, [node.module])))
        # `from ..core import job` means core.job; `from ..core.job import Status` means something in core.job.
        yield from ((f"{stem}.{alias.name}" if stem else alias.name, node.level > 0) for alias in node.names)


def uses(file: Source, dotted: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (where, name) for every use of the dotted names, `os.environ` say, and every call of such a builtin."""
    wanted = set(dotted)
    found = [(file.at(node), ast.unparse(node)) for node in ast.walk(file.tree) if isinstance(node, ast.Attribute)]
    found += [(file.at(node), ast.unparse(node.func)) for node in ast.walk(file.tree) if isinstance(node, ast.Call)]
    found += [(item.where, item.name) for item in imports(file) if not item.relative]
    yield from ((where, name) for where, name in sorted(set(found)) if name in wanted)


def length(function: Function) -> int:
    """Return the lines of a function, without its docstring."""
    return (function.end_lineno or 0) - function.lineno + 1 - _docstring_lines(function)


def _docstring_lines(function: Function) -> int:
    if ast.get_docstring(function) is None:
        return 0
    return (function.body[0].end_lineno or 0) - function.body[0].lineno + 1


def depth(node: ast.AST) -> int:
    """Return how deep blocks stand in one another; an `elif` is as deep as its `if`; nested functions count apart."""
    children = [child for child in ast.iter_child_nodes(node) if not isinstance(child, Function)]
    inside = max((depth(child) - _is_elif(node, child) for child in children), default=0)
    return inside + isinstance(node, BLOCKS)


def _is_elif(node: ast.AST, child: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]


def words(name: str) -> set[str]:
    """Return the words of a snake_case or CamelCase name, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
