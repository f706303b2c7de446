"""Asks the world outside whether what a registry names is there; what could not be asked is skipped, and said.

How to ask comes from outside (`Sources`), so that the command line looks names up exactly as the runner does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from ..errors import Unavailable
from ..footprint import Endpoint, Footprint, Violation
from ..permissions import Policy
from ..policy import judge
from ..registry.codes import finding
from ..registry.load import Loaded
from ..registry.model import Finding, Service
from ..secrets import SecretRef
from .subjects import Kind, Subject, subjects

T = TypeVar("T")
Judge = Callable[[Footprint], tuple[Violation, ...]]

AT_A_TIME: Final = 16  # questions under way
SECONDS: Final = 5.0  # for one answer: a resolver's own first timeout
_NOWHERE: Final = ".invalid"  # never a name's end (RFC 6761): not worth a question
_REFUSED: Final = ("private_address", "address_forbidden")  # the rest of judge's answers needs no network

#: The codes of what was skipped.
CODES: Final = {Kind.DNS: "SQJ901", Kind.SECRETS: "SQJ903", Kind.IMAGE: "SQJ904", Kind.FUNCTION: "SQJ905"}


@dataclass(frozen=True, slots=True)
class Sources:
    """How to ask. Each may raise Unavailable, whose message says why there is no answer."""

    resolve: Callable[[str, int], Awaitable[Sequence[str]]]  # addresses; raises OSError where there are none
    has_image: Callable[[str], Awaitable[bool]]
    has_secret: Callable[[SecretRef], bool]
    has_function: Callable[[Service, Judge], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Skipped:
    """One question that got no answer; `service` is "" where the whole kind was not asked."""

    code: str
    kind: Kind
    service: str
    reason: str


Answer = Finding | Skipped | None


@dataclass(frozen=True, slots=True)
class Online:
    """What came of asking."""

    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()


async def check(loaded: Loaded, kinds: Collection[Kind], sources: Sources) -> Online:
    """Return what is not there, and what could not be asked. Raises nothing: no answer is an answer, too."""
    if loaded.registry is None:
        reason = "the registry has errors: mend them first"
        return Online((), tuple(Skipped(CODES[kind], kind, "", reason) for kind in Kind if kind in kinds))
    asked = [subject for subject in subjects(loaded.defined) if subject.kind in kinds]
    answers = await _Round(loaded, sources).ask(asked)
    return Online(
        tuple(each for each in answers if isinstance(each, Finding)),
        tuple(each for each in answers if isinstance(each, Skipped)),
    )


class _Round:
    """One run's questions: each host and image is asked about once, however many services name it."""

    def __init__(self, loaded: Loaded, sources: Sources) -> None:
        assert loaded.registry is not None
        self._registry = loaded.registry
        self._sources = sources
        self._gate = asyncio.Semaphore(AT_A_TIME)
        self._addresses: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}
        self._images: dict[str, asyncio.Future[bool]] = {}

    async def ask(self, asked: Iterable[Subject]) -> list[Answer]:
        """Return the answers in the order of the questions."""
        return await asyncio.gather(*(self._answer(subject) for subject in asked))

    async def _answer(self, subject: Subject) -> Answer:
        try:
            match subject.what:
                case Endpoint():
                    return await self._host(subject, subject.what)
                case SecretRef():
                    return self._secret(subject, subject.what)
                case image if subject.kind is Kind.IMAGE:
                    return await self._image(subject, image)
                case function:
                    return await self._function(subject, function)
        except Unavailable as error:
            return _skipped(subject, error.message)
        except TimeoutError:
            return _skipped(subject, f"no answer within {SECONDS:g} s")

    async def _host(self, subject: Subject, endpoint: Endpoint) -> Answer:
        if endpoint.host.endswith(_NOWHERE):
            return _no_address(subject, endpoint.host)
        key = (endpoint.host, endpoint.port)
        if key not in self._addresses:
            self._addresses[key] = asyncio.ensure_future(self._within(self._sources.resolve(*key)))
        try:
            found = await self._addresses[key]
        except (OSError, UnicodeError) as error:
            if isinstance(error, TimeoutError):
                raise
            return _no_address(subject, endpoint.host, error)
        return _judged(subject, endpoint, found, self._service(subject).policy)

    async def _image(self, subject: Subject, image: str) -> Answer:
        if image not in self._images:
            self._images[image] = asyncio.ensure_future(self._within(self._sources.has_image(image)))
        if await self._images[image]:
            return None
        message = f"{subject.service}: neither the container engine nor its registry has the image {image!r}"
        return finding("SQJ904", message, subject.position, service=subject.service)

    async def _function(self, subject: Subject, function: str) -> Answer:
        service = self._service(subject)
        asked = self._sources.has_function(service, lambda footprint: judge(footprint, service.policy))
        if await self._within(asked):
            return None
        message = f"{subject.service}: its provider has no function {function!r}"
        return finding("SQJ905", message, subject.position, service=subject.service)

    def _service(self, subject: Subject) -> Service:
        service = self._registry.service(subject.service)
        assert service is not None, subject
        return service

    def _secret(self, subject: Subject, ref: SecretRef) -> Answer:
        if self._sources.has_secret(ref):
            return None
        what = f"the variable {ref.name} is not set" if ref.kind == "env" else f"the file {ref.name} is not there"
        return finding("SQJ903", f"{subject.service}: {what} on this host", subject.position, service=subject.service)

    async def _within(self, question: Awaitable[T]) -> T:
        async with self._gate:
            return await asyncio.wait_for(question, SECONDS)


def _no_address(subject: Subject, host: str, error: Exception | None = None) -> Answer:
    """A resolver that cannot be reached says nothing about a name; one that knows none says no."""
    if isinstance(error, OSError) and error.errno == socket.EAI_AGAIN:
        return _skipped(subject, "no name server answers")
    message = f"{subject.service} calls {host}, and that name has no address"
    return finding("SQJ901", message, subject.position, service=subject.service)


def _judged(subject: Subject, endpoint: Endpoint, found: Sequence[str], policy: Policy) -> Answer:
    """The first address that the policy refuses: a runner judges every one before it connects to any."""
    for address in found:
        resolved = Endpoint(endpoint.scheme, endpoint.host, endpoint.port, address)
        for violation in judge(Footprint(endpoints=(resolved,)), policy):
            if violation.code in _REFUSED:
                message = f"{subject.service}: {violation.message}"
                return finding("SQJ902", message, subject.position, service=subject.service)
    return None


def _skipped(subject: Subject, reason: str) -> Skipped:
    return Skipped(CODES[subject.kind], subject.kind, subject.service, reason)
