"""The frame that every compiled function has: no name in it can mean something else than what it was compiled for."""

from __future__ import annotations

from dataclasses import dataclass

from .quoting import dollar_quoted, qualified


@dataclass(frozen=True, slots=True)
class Function:
    """One function: its schema and name unquoted, its parameters and what it returns as SQL."""

    schema: str
    name: str
    parameters: str
    returns: str

    @property
    def called(self) -> str:
        """The function's name as SQL."""
        return qualified(self.schema, self.name)

    def made(self, declare: str, body: str) -> str:
        """Return CREATE FUNCTION; the search path is pinned, so that every other name must be qualified."""
        text = f"#variable_conflict use_column\n{declare}BEGIN\n{body}\nEND"
        return (
            f"CREATE OR REPLACE FUNCTION {self.called}({self.parameters}) RETURNS {self.returns}\n"
            f"LANGUAGE plpgsql\nSET search_path = pg_catalog, pg_temp\nAS {dollar_quoted(text)};"
        )
