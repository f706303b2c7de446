"""Whether an image exists: on the engine (jobs, `validate --online`) or in its registry (`validate --online` alone).

Nothing is pulled, and nothing of a job leaves this machine: it is the engine that asks the image's registry.
"""

from __future__ import annotations

from types import TracebackType

from ..core.errors import Unavailable
from .docker_create import Image
from .docker_engine import Engine, EngineError

SECONDS = 5.0  # for one answer; a registry far away may take that long
_NO_SUCH_NAME = (400, 404)
_WANTS_LOGIN = (401, 403)


async def on_engine(engine: Engine, name: str) -> Image | None:
    """Return the image of that very name, None if the engine has none; raise EngineError."""
    try:
        answer = await engine.do(lambda client: client.inspect_image(name))
    except EngineError as error:
        if error.status in _NO_SUCH_NAME:
            return None
        raise
    # An engine also takes the beginning of an id for an image: a name of hex digits must not find another.
    return None if str(answer["Id"]).startswith(f"sha256:{name}") else Image.read(answer)


class EngineImages:
    """The images that one container engine has or can find. Use as an async context manager."""

    def __init__(self, url: str = "") -> None:
        """`url` is DOCKER_HOST's value; "" is the engine's usual place. It is asked when an image is."""
        self._engine = Engine(url, SECONDS)

    async def __aenter__(self) -> EngineImages:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._engine.aclose()

    async def has(self, name: str) -> bool:
        """Whether the engine has the image, or its registry does; raise Unavailable when neither can tell."""
        try:
            return await on_engine(self._engine, name) is not None or await self._in_registry(name)
        except EngineError as error:
            raise Unavailable(_reason(error)) from None

    async def _in_registry(self, name: str) -> bool:
        """Ask as nobody: no login of this host's is sent, not even to the engine."""
        try:
            await self._engine.do(lambda client: client.inspect_distribution(name, auth_config={}))
        except EngineError as error:
            if error.status != 404:
                raise
            return False
        return True


def _reason(error: EngineError) -> str:
    if error.down:
        return error.message
    if error.status in _WANTS_LOGIN:
        return "the image's registry wants a login to say whether it exists"
    return f"the container engine could not ask the image's registry (status {error.status})"
