"""What AWS's refusals mean for a job, whichever of its services refuses; and a host that cannot speak to AWS."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from ..core.contract import Failed, Interrupted
from ..core.job import Category
from .answers import one_line, retry_after
from .aws_doors import NoAws

#: Seconds until a host without boto3 or credentials is asked again; another worker may have them.
NOT_HERE_SECONDS: Final = 60.0

#: Error codes of the API that pass by themselves. Throttling and every 5xx do too.
_PASSING = frozenset(
    (
        *("TooManyRequestsException", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
        *("ResourceConflictException", "ResourceNotReadyException", "ServiceException", "SnapStartNotReadyException"),
        *("EC2ThrottledException", "ENILimitReachedException", "SubnetIPAddressLimitReachedException"),
        *(
            "RequestLimitExceeded",
            "SlowDown",
            "ServiceUnavailable",
            "InternalFailure",
            "CodeArtifactUserPendingException",
        ),
    )
)
#: Credentials that are not, or no longer, taken: another attempt gets new ones.
_STALE = frozenset(("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"))
_DENIED = frozenset(("AccessDenied", "AccessDeniedException", "SignatureDoesNotMatch", "InvalidSignatureException"))
_TOO_LARGE = frozenset(
    ("RequestTooLargeException", "SerializedRequestEntityTooLargeException", "RequestEntityTooLargeException")
)
_MALFORMED = frozenset(("InvalidRequestContentException", "UnsupportedMediaTypeException"))


def status_of(response: Mapping[str, Any]) -> int:
    """Return the HTTP status of an answer as boto3 gives it, 0 where it says none."""
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def refusal(response: Mapping[str, Any], what: str) -> Failed:
    """Return the failure that an error answer is; `what` says what AWS did not do."""
    code, status = str(response.get("Error", {}).get("Code") or ""), status_of(response)
    message = f"{what}: {one_line(code)[:80] or f'HTTP status {status}'}"
    if code in _PASSING or status == 429 or status >= 500:
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders") or {}
        known = {str(name).lower(): str(value) for name, value in headers.items()}
        wait = retry_after(known.get("retry-after", ""), time.time())
        return Failed(Category.TARGET_UNAVAILABLE, message, retryable=True, retry_after=wait)
    if code in _STALE:
        return Failed(Category.INFRASTRUCTURE, f"{message} (the credentials are not taken)", retryable=True)
    if code in _DENIED:
        return Failed(Category.INFRASTRUCTURE, f"{message} (these credentials may not)")
    malformed = code in _TOO_LARGE or code in _MALFORMED
    return Failed(Category.INVALID_INPUT if malformed else Category.TARGET_ERROR, message)


def not_here(error: NoAws) -> Interrupted:
    """Return the outcome on a host that cannot speak to AWS: the attempt is given back."""
    return Interrupted(str(error), NOT_HERE_SECONDS)
