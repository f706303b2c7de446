"""What an unquoted YAML word means: the YAML 1.2 core types, decimal numbers only.

`off`, `no`, `0777`, `1:30`, `.inf` and dates stay text: the surprises of YAML 1.1 would change a policy's meaning.
"""

from __future__ import annotations

import math
import re
from typing import Final

Scalar = str | int | float | bool | None

_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# At most 18 digits: whatever reads as a number here fits in a bigint.
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?")


def resolve(text: str) -> Scalar:
    """Return the value that an unquoted scalar stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    return number if math.isfinite(number) else text
