"""Rules for what a runner says before anything is touched: settings, plans, footprints."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from ..contract import Footprint, PlanError, ResourceRequirements
from ..errors import ConfigError
from ..job import ExecutionType
from ..policy import Policy
from .subject import Rules, Subject, Try

_JOB = UUID("00000000-0000-4000-8000-0000000000aa")

#: Inputs that strangers send: none may raise anything but PlanError.
_STRANGE: tuple[dict[str, Any], ...] = (
    {},
    {"": ""},
    {"name": "a\0b"},
    {"name": "\ud800"},
    {"name": ["x"] * 50, "command": {"$ref": "#"}, "endpoint": 7, "payload": None, "env_vars": [1]},
    {"name": "x" * 300_000},
    {"name": "{name}", "args": "{0.__class__}"},
    {"command": "../../bin/sh", "endpoint": "http://[::1", "headers": {"a\r\nb": "c"}},
)


class PlanRules(Rules):
    """Planning is pure: no I/O, no clock, no chance, no secret."""

    def test_it_says_what_it_is(self) -> None:
        """A runner names its execution type, and a version to keep with each job."""
        with self.subject() as it:
            assert isinstance(it.runner.execution_type, ExecutionType)
            assert it.runner.execution_type is it.service.execution_type
            assert it.runner.version.strip()
            assert len(it.runner.version) <= 100

    def test_settings_are_values(self) -> None:
        """The same service gives equal settings: they are read from it and from nothing else."""
        with self.subject() as it:
            assert it.runner.validate_config(it.service) == it.runner.validate_config(it.service)

    def test_the_same_job_has_the_same_plan(self) -> None:
        """Plan, footprint and description of one job are equal each time."""
        with self.subject() as it:
            for tried in _all(it):
                one, other = (it.draft(tried, job_id=_JOB) for _ in range(2))
                assert one.plan == other.plan
                assert one.footprint == other.footprint
                assert one.plan.describe() == other.plan.describe()

    def test_a_plan_can_be_shown(self) -> None:
        """A description is JSON with text for keys, and reading it twice gives the same."""
        with self.subject() as it:
            for tried in _all(it):
                described = it.draft(tried).plan.describe()
                assert described
                assert json.loads(json.dumps(described)) == json.loads(json.dumps(described, sort_keys=True))

    def test_a_plan_holds_no_secret(self) -> None:
        """Neither description, footprint nor repr has the secret's value; the footprint names where it is."""
        with self.subject() as it:
            for tried in _all(it) if it.secret else ():
                draft = it.draft(tried)
                assert it.secret not in json.dumps(draft.plan.describe())
                assert it.secret not in repr((draft.plan, draft.footprint))
                assert draft.footprint.secrets

    def test_its_own_policy_allows_it(self) -> None:
        """What the footprint states is what the service's policy allows."""
        with self.subject() as it:
            for tried in _all(it):
                assert [violation.message for violation in it.draft(tried).violations] == []

    def test_nothing_is_allowed_by_default(self) -> None:
        """The footprint states what is touched, so that a policy that allows nothing refuses it."""
        with self.subject() as it:
            if not it.touches_nothing:
                assert it.under(Policy(), it.succeeds)

    def test_the_footprint_is_bounded(self) -> None:
        """Time and output have a limit in every plan."""
        with self.subject() as it:
            for tried in _all(it):
                footprint = it.draft(tried).footprint
                assert isinstance(footprint, Footprint)
                assert footprint.timeout_seconds > 0
                assert footprint.output_bytes >= 0

    def test_strange_input_is_a_plan_error_at_worst(self) -> None:
        """Whatever a row holds, planning either plans it or says why not."""
        with self.subject() as it:
            for operation in {it.succeeds.operation, it.waits.operation}:
                for strange in _STRANGE:
                    _planned_or_refused(it, Try(operation, strange))

    def test_requirements_are_stated(self) -> None:
        """What executing may consume comes from the plan alone."""
        with self.subject() as it:
            plan = it.draft(it.succeeds, job_id=_JOB).plan
            stated = it.runner.get_resource_requirements(plan)
            assert isinstance(stated, ResourceRequirements)
            assert stated == it.runner.get_resource_requirements(plan)

    def test_a_wrong_configuration_is_a_config_error_at_worst(self) -> None:
        """Settings of the wrong shape are named, not met by an exception of another kind."""
        with self.subject() as it:
            wrongs: tuple[dict[str, object], ...] = (
                {key: [{}] for key in it.service.runner_config},
                {"no_such_key": object()},
            )
            for wrong in wrongs:
                with suppress(ConfigError):
                    it.runner.validate_config(replace(it.service, runner_config=wrong))


def _all(it: Subject) -> tuple[Try, ...]:
    return tuple(tried for tried in (it.succeeds, it.fails, it.waits, it.floods) if tried is not None)


def _planned_or_refused(it: Subject, tried: Try) -> None:
    with suppress(PlanError):
        json.dumps(it.draft(tried).plan.describe())
