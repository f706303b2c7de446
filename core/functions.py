"""The spellings of an AWS Lambda function's name, read into parts, so that no spelling passes for another function."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The version that an invocation without a qualifier means.
LATEST = "$LATEST"

# Name; ACCOUNT:function:NAME; the whole ARN; each with or without :QUALIFIER. The API's own pattern takes more
# (`function:x`, a region without an account), which two readers could read differently: those are no names here.
_SPELLING = re.compile(
    r"(?:(?:arn:(?P<partition>aws[a-z-]*):lambda:(?P<region>[a-z0-9-]+):)?(?P<account>[0-9]{12}):function:)?"
    r"(?!function:)(?P<name>[A-Za-z0-9_-]{1,140})(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)


@dataclass(frozen=True, slots=True)
class FunctionName:
    """One function. Parts that the spelling leaves out are empty."""

    name: str
    account: str = ""
    region: str = ""
    partition: str = ""
    qualifier: str = ""

    def __str__(self) -> str:
        """The one spelling that is judged and shown."""
        head = f"{self.account}:function:{self.name}" if self.account else self.name
        if self.region:
            head = f"arn:{self.partition}:lambda:{self.region}:{head}"
        return f"{head}:{self.qualifier}" if self.qualifier else head


#: Google writes the region of a function into its host: REGION-PROJECT.cloudfunctions.net, NAME-NUMBER.REGION.run.app.
_GOOGLE_REGION = "[a-z]+-[a-z]+[0-9]+"
_PLACE = re.compile(rf"(?P<a>{_GOOGLE_REGION})-[^.]+\.cloudfunctions\.net|[^.]+\.(?P<b>{_GOOGLE_REGION})\.run\.app")


def region_in_host(host: str) -> str:
    """Return the region that a Google function's host says, "" where it says none."""
    match = _PLACE.fullmatch(host)
    return (match["a"] or match["b"]) if match else ""


def parse_function(text: str) -> FunctionName | None:
    """Return the parts of an AWS function's name, None for what is none."""
    match = _SPELLING.fullmatch(text)
    return FunctionName(**{key: value or "" for key, value in match.groupdict().items()}) if match else None
