"""Multipart bodies, read at the far end by Python's own MIME parser."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from support.builders import make_call
from support.http_calls import local_service, perform
from support.http_target import HttpTarget, Seen

from specql_jobs.core.contract import PlanError, Succeeded
from specql_jobs.runners.http import HTTPRunner

UPLOAD = {"request": {"method": "POST", "path": "/upload", "body": "multipart"}}


async def arrived(values: Mapping[str, Any]) -> list[Message]:
    """Send a job's input as multipart; return the parts that the far end read."""
    async with HttpTarget() as target:
        result = await perform(local_service(target), values, mapping=UPLOAD)
        assert isinstance(result.outcome, Succeeded), result.outcome
    return parts(target.requests[0])


def parts(seen: Seen) -> list[Message]:
    """The parts of a request."""
    head = f"Content-Type: {seen.header('content-type')}\r\n\r\n".encode()
    message = message_from_bytes(head + seen.body)
    assert message.is_multipart(), seen.body
    found = message.get_payload()
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, Message)]


def said(part: Message) -> tuple[Any, Any, Any]:
    """A part's field, file name and bytes."""
    field = part.get_param("name", header="content-disposition")
    return field, part.get_filename(), part.get_payload(decode=True)


async def test_fields_and_files_arrive_as_parts() -> None:
    """Scalars are text, a list repeats its name, null is left out, an object with a filename is a file."""
    png = bytes(range(256))
    found = await arrived(
        {
            "title": "grüße",
            "count": 3,
            "tags": ["a", "b"],
            "nothing": None,
            "note": {"filename": "note.txt", "content": "hello", "content_type": "text/plain; charset=utf-8"},
            "image": {"filename": "1.png", "content_base64": base64.b64encode(png).decode()},
        }
    )
    assert [said(part) for part in found] == [
        ("title", None, "grüße".encode()),
        ("count", None, b"3"),
        ("tags", None, b"a"),
        ("tags", None, b"b"),
        ("note", "note.txt", b"hello"),
        ("image", "1.png", png),
    ]
    assert [part.get_content_type() for part in found[-2:]] == ["text/plain", "application/octet-stream"]


async def test_no_name_opens_a_part_of_its_own() -> None:
    """Quotes and line ends in a file's name stay within its header."""
    evil = 'x"\r\nContent-Type: text/html\r\n\r\n<script>'
    (only,) = await arrived({"file": {"filename": evil, "content": "data"}})
    assert only.get_content_type() == "application/octet-stream"
    assert only.get_payload(decode=True) == b"data"


async def test_content_that_holds_the_boundary_is_still_one_part() -> None:
    """Whoever knows how boundaries are made cannot end a part early."""
    runner, call = HTTPRunner(), {"mapping": UPLOAD}
    async with HttpTarget() as target:
        service = local_service(target)
        spec = runner.validate_config(service)
        boundary = _boundary_of(runner.plan(spec, make_call(service, {"a": "x"}, **call)))
        forged = f"x\r\n--{boundary}\r\nContent-Disposition: form-data; name=admin\r\n\r\nyes\r\n--{boundary}--"
        await perform(service, {"a": "x", "b": forged}, runner=runner, **call)
    await runner.aclose()
    assert [said(part)[0] for part in parts(target.requests[0])] == ["a", "b"]


def _boundary_of(plan: Any) -> str:
    shown = plan.describe()["headers"]["Content-Type"]
    return str(shown).rpartition("boundary=")[2]


async def test_planning_twice_gives_one_plan() -> None:
    """The boundary comes from the content, not from chance."""
    async with HttpTarget() as target:
        service, runner = local_service(target), HTTPRunner()
        spec = runner.validate_config(service)
        call = make_call(service, {"a": "x", "f": {"filename": "f", "content": "y"}}, mapping=UPLOAD)
        assert runner.plan(spec, call).describe() == runner.plan(spec, call).describe()
        await runner.aclose()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"a": None},
        {"a": [["x"]]},
        {"a": {"filename": "f"}},
        {"a": {"content": "x"}},
        {"a": {"filename": "f", "content": "x", "content_base64": "eA=="}},
        {"a": {"filename": "f", "content_base64": "not base64"}},
        {"a": {"filename": "f", "content": 1}},
        {"a": {"filename": "f", "content": "x", "mode": "rw"}},
        {"a": {"filename": "f", "content": "x", "content_type": "text/html\r\nX-Evil: 1"}},
        {"a": "\ud800"},
    ],
    ids=str,
)
def test_what_is_no_part_has_no_plan(values: Mapping[str, Any]) -> None:
    """An object that is no file, a file without or with two contents, and a media type that ends the line."""
    runner = HTTPRunner()
    service = local_service(_nowhere())
    with pytest.raises(PlanError):
        runner.plan(runner.validate_config(service), make_call(service, values, mapping=UPLOAD))


def _nowhere() -> HttpTarget:
    target = HttpTarget()
    target.port = 9
    return target
