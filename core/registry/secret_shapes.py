"""What a credential looks like: the prefixes that issuers give theirs, and text that is too random to be a word."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final

#: Prefixes are their issuers' own, made for being found.
_ISSUED: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9]{16,}|sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}"
    r"|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"
    r"|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|SG\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}"
    r"|dop_v1_[a-f0-9]{32,}|hf_[A-Za-z0-9]{30,}|shpat_[a-f0-9]{32}|pypi-[A-Za-z0-9_-]{30,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r")"
)
_KEY_BLOCK: Final = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_IN_URL: Final = re.compile(r"(?<=://)[^/\s:@{}$]+:[^/\s@{}$]+(?=@)")
_OPAQUE: Final = re.compile(r"[A-Za-z0-9+_=-]{32,512}")
_NAME: Final = re.compile(
    r"(?:^|[_.-])(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|apikey|private[_-]?key|access[_-]?key"
    r"|credentials?|authorization|cookie)s?$",
    re.IGNORECASE,
)
_SHORTEST: Final = 15  # characters of the shortest credential that is known by its shape, one in a URL aside
_LEAST_BITS: Final = 4.0  # bits a character; English words are near 3, random base64 above 4.5


def is_secret_name(name: str) -> bool:
    """Whether a key, header or variable of this name usually holds a credential."""
    return bool(_NAME.search(name))


def looks_secret(text: str) -> bool:
    """Whether a text holds what only a credential would."""
    if len(text) < _SHORTEST and "://" not in text:
        return False
    return bool(_ISSUED.search(text) or _KEY_BLOCK.search(text) or _IN_URL.search(text)) or _is_random(text)


def masked(text: str) -> str:
    """Return `text` with every credential of a known shape as dots, one for each character."""
    for pattern in (_ISSUED, _IN_URL):
        text = pattern.sub(_dots, text)
    return _OPAQUE.sub(lambda match: _dots(match) if _is_random(match[0]) else match[0], text)


def _dots(match: re.Match[str]) -> str:
    return "•" * len(match[0])


def _is_random(text: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit)
    mixed = bool(_OPAQUE.fullmatch(text)) and all(any(map(kind, text)) for kind in kinds)
    return mixed and _bits(text) >= _LEAST_BITS


def _bits(text: str) -> float:
    """Shannon's entropy of a text, in bits a character."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)
