"""The frame that every compiled function has: no name in it can mean something else than what it was compiled for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .quoting import dollar_quoted, indented, literal, qualified

_MARK = "-- specql-jobs compile "


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

    @property
    def _mark(self) -> str:
        """What a body says of the parameters that it was compiled with."""
        return _MARK + hashlib.sha256(self.parameters.encode()).hexdigest()[:12]

    def made(self, declare: str, body: str) -> str:
        """Return CREATE FUNCTION; the search path is pinned, so that every other name must be qualified."""
        text = f"#variable_conflict use_column\n{self._mark}\n{declare}BEGIN\n{body}\nEND"
        return (
            f"CREATE OR REPLACE FUNCTION {self.called}({self.parameters}) RETURNS {self.returns}\n"
            f"LANGUAGE plpgsql\nSET search_path = pg_catalog, pg_temp\nAS {dollar_quoted(text)};"
        )

    def earlier_dropped(self) -> str:
        """Return a statement that drops what was compiled under this name with other parameters, and nothing else.

        Beside the new function it would be an overload, and calls by name would no longer say which is meant.
        """
        chosen = "\n   AND ".join(
            (
                f"n.nspname = {literal(self.schema)}",
                f"p.proname = {literal(self.name)}",
                f"position({literal(_MARK)} IN p.prosrc) > 0",
                f"position({literal(self._mark)} IN p.prosrc) = 0",
            )
        )
        query = (
            "SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc AS p\n"
            f"  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace\n WHERE {chosen}"
        )
        dropped = "EXECUTE 'DROP FUNCTION ' || earlier::text;"
        loop = indented(f"FOR earlier IN\n{indented(query)}\nLOOP\n{indented(dropped)}\nEND LOOP;")
        return "DO " + dollar_quoted(f"DECLARE\n  earlier pg_catalog.regprocedure;\nBEGIN\n{loop}\nEND") + ";"
