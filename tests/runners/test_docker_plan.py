"""What a docker service plans, refuses to plan, and says about it: no engine needed."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from support.builders import make_context
from support.dockerd import BUSYBOX
from support.dockerjobs import Job

from specql_jobs.core.contract import Mount, PlanError
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.policy import judge
from specql_jobs.runners.docker import DockerRunner
from specql_jobs.runners.docker_create import Image, Setting, request
from specql_jobs.runners.docker_plan import DockerPlan
from specql_jobs.runners.docker_sweep import labels

DIGEST = "sha256:" + "0123456789abcdef" * 4


def _plan(command: tuple[str, ...] | None = ("/bin/true",), **more: Any) -> DockerPlan:
    return Job(command=command, **more).plan(DockerRunner())


def _codes(job: Job) -> list[str]:
    return [violation.code for violation in judge(job.plan(DockerRunner()).footprint, job.effective)]


def _body(plan: DockerPlan) -> dict[str, Any]:
    setting = Setting(image=Image(DIGEST), environment={}, labels=labels(make_context()), init=True, parent="")
    return request(plan, setting)


def test_what_is_not_stated_is_restrictive() -> None:
    """Without a word from the registry: no network, nobody, read-only root, sized scratch, every limit."""
    plan = _plan()
    assert (plan.network, plan.user, plan.read_only, plan.mounts) == ("none", "65534:65534", True, ())
    assert plan.tmpfs == (("/tmp", 256),)
    assert None not in (plan.resources.memory_mb, plan.resources.cpu_cores, plan.resources.pids)


def test_everything_that_confines_is_in_the_request() -> None:
    """The create request drops every capability and privilege, and counts memory with swap."""
    host = _body(_plan())["HostConfig"]
    assert (host["CapDrop"], host["Privileged"], host["ReadonlyRootfs"]) == (["ALL"], False, True)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["NetworkMode"], host["IpcMode"], host["LogConfig"]["Type"]) == ("none", "private", "none")
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (512 << 20, 512 << 20, 64)
    assert not {"Binds", "Devices", "CapAdd", "PidMode", "UTSMode", "UsernsMode", "PortBindings"} & host.keys()


def test_the_image_goes_in_by_id() -> None:
    """What was looked up is what is created, even if the tag moves meanwhile."""
    assert _body(_plan())["Image"] == DIGEST


def test_volumes_become_binds_that_fail_when_absent() -> None:
    """A volume is a mount of type bind, read-only unless stated; the engine never creates its source."""
    volumes = [
        {"host_path": "/srv/a", "container_path": "/a"},
        {"host_path": "/srv/b", "container_path": "/b/", "mode": "rw"},
    ]
    mounts = _body(_plan(config={"volumes": volumes}))["HostConfig"]["Mounts"]
    assert [(each["Type"], each["Source"], each["Target"], each["ReadOnly"]) for each in mounts] == [
        ("bind", "/srv/a", "/a", True),
        ("bind", "/srv/b", "/b", False),
    ]


def test_the_command_comes_from_the_nearest_word() -> None:
    """The operation's template, else the registry's command, else the input's; the registry is never overruled."""
    asks = {"command": ["/evil"]}
    assert _plan(("/bin/echo", "{a}"), input={"a": "x", **asks}).command == ("/bin/echo", "x")
    assert _plan(None, input=asks, config={"command": ["/bin/true"]}).command == ("/bin/true",)
    assert _plan(None, input=asks).command == ("/evil",)
    assert _plan(None).command is None


def test_one_text_as_command_is_one_argument() -> None:
    """A command that the input gives as text is not split, and no shell sees it."""
    assert _plan(None, input={"command": "echo $(id); rm -rf /"}).command == ("echo $(id); rm -rf /",)


@pytest.mark.parametrize(
    "given",
    [
        {"command": {"a": 1}},
        {"command": []},
        {"command": [["nested"]]},
        {"command": ["a\0b"]},
        {"command": ["x" * 140_000]},
        {"env_vars": ["A=b"]},
        {"env_vars": {"A": {"b": 1}}},
        {"env_vars": {"A": "x\0y"}},
    ],
)
def test_input_that_has_no_plan(given: dict[str, Any]) -> None:
    """Input that cannot be a command or a variable is the job's failure, with a sentence."""
    with pytest.raises(PlanError):
        _plan(None, input=given)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"image": "-v"}, "image"),
        ({"image": "--privileged"}, "image"),
        ({"image": "a b"}, "image"),
        ({"image": "a\nb"}, "image"),
        ({"image": ""}, "image"),
        ({"user": "-1"}, "user"),
        ({"user": "0:0:0"}, "user"),
        ({"network_mode": "host"}, "network_mode"),
        ({"network_mode": "container:other"}, "network_mode"),
        ({"runtime": "../x"}, "runtime"),
        ({"working_dir": "/proc/self/fd/8"}, "working_dir"),
        ({"working_dir": "/srv/../proc/1"}, "working_dir"),
        ({"tmpfs": ["/"]}, "tmpfs"),
        ({"tmpfs": ["/dev/shm"]}, "tmpfs"),
        ({"tmpfs": {"/a": -1}}, "tmpfs"),
        ({"command": "sh -c id"}, "command"),
        ({"environment": {"A": ["b"]}}, "environment"),
        ({"volumes": [{"host_path": "srv", "container_path": "/a"}]}, "host_path"),
        ({"volumes": [{"host_path": "/srv", "container_path": "/"}]}, "container_path"),
        ({"volumes": [{"host_path": "/srv", "container_path": "/proc/x"}]}, "container_path"),
        ({"volumes": [{"host_path": "/srv", "container_path": "/a"}], "user": "app"}, "user"),
    ],
)
def test_settings_that_are_wrong_are_named(config: dict[str, Any], says: str) -> None:
    """A wrong setting is one sentence with its key, before anything is planned."""
    with pytest.raises(ConfigError, match=says):
        _plan(config=config)


def test_a_number_alone_is_its_own_group() -> None:
    """`user: 1000` is not in root's group, as it would be to the engine."""
    assert _plan(config={"user": 1000}).user == "1000:1000"


@pytest.mark.parametrize("user", ["root", "0", "00", "0:1000", "root:users"])
def test_root_is_refused(user: str) -> None:
    """No spelling of root gets past the judge."""
    assert _codes(Job(command=("/bin/true",), config={"user": user})) == ["root_user"]


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        ({}, ["network_access_not_allowed", "network_isolated"]),
        ({"network_access": "all"}, ["network_isolated"]),
        ({"network_isolation": False}, ["network_access_not_allowed"]),
        ({"network_isolation": False, "network_access": "all"}, []),
    ],
)
def test_a_network_needs_both_words(policy: dict[str, Any], codes: list[str]) -> None:
    """A bridge is refused unless the policy both lifts isolation and gives access."""
    found = _codes(Job(command=("/bin/true",), config={"network_mode": "bridge"}, policy=policy))
    assert sorted(found) == codes


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        (f"a@{DIGEST}", True),
        (f"r.example/a:1@{DIGEST}", True),
        (DIGEST, True),
        ("a:1", False),
        ("a@sha256:00", False),
        (f"a@{DIGEST}0", False),
        ("sha256:00", False),
    ],
)
def test_what_counts_as_pinned(image: str, pinned: bool) -> None:
    """require_digest wants a whole digest, or the image's own id."""
    job = Job(command=None, config={"image": image}, policy={"allowed_images": (image,), "require_digest": True})
    assert _codes(job) == ([] if pinned else ["image_without_digest"])


def test_scratch_adds_up_to_the_limit() -> None:
    """Folders without a size share what the limit leaves; a volume in the place of the default scratch wins."""
    assert _plan(config={"tmpfs": ["/a", "/b"]}, limits={"disk_mb": 10}).tmpfs == (("/a", 5), ("/b", 5))
    assert _plan(config={"tmpfs": {"/a": 6}}, limits={"disk_mb": 10}).tmpfs == (("/a", 6),)
    volumes = [{"host_path": "/srv/t", "container_path": "/tmp"}]
    assert _plan(config={"volumes": volumes}).tmpfs == ()


def test_scratch_beyond_the_limit_is_refused() -> None:
    """Sizes that add up to more than disk_mb are refused, not shrunk."""
    job = Job(command=("/bin/true",), config={"tmpfs": {"/a": 6, "/b": 6}}, limits={"disk_mb": 10})
    assert _codes(job) == ["limit_exceeded"]


def test_ports_of_the_host_are_refused() -> None:
    """localhost_ports is not silently ignored."""
    with pytest.raises(PlanError, match="localhost_ports"):
        _plan(policy={"localhost_ports": (80,)})


def test_the_line_can_be_pasted() -> None:
    """The plan's command is a docker run line that a shell reads as the same words; of variables it has the names."""
    config = {
        "environment": {"TOKEN_KIND": "very secret"},
        "volumes": [{"host_path": "/srv/a", "container_path": "/a"}],
        "entrypoint": ["/bin/sh", "-c"],
        "working_dir": "/a",
        "runtime": "runsc",
    }
    line = _plan(("echo 'hi' {x}",), input={"x": "$(id)"}, config=config).command_line()
    words = shlex.split(line)
    assert words[:4] == ["printf", "%s", '{"x": "$(id)"}', "|"]
    assert words[-3:] == [BUSYBOX, "-c", "echo 'hi' $(id)"]
    assert words[words.index("--mount") + 1] == "type=bind,src=/srv/a,dst=/a,readonly"
    assert words[words.index("--env") + 1] == "TOKEN_KIND"
    assert "very secret" not in line


def test_a_plan_is_data_alone() -> None:
    """The same call gives an equal plan, its description is complete, and its footprint names all that it touches."""
    job = Job(command=("/bin/true",), config={"volumes": [{"host_path": "/srv/a", "container_path": "/a"}]})
    plan, again = job.plan(DockerRunner()), job.plan(DockerRunner())
    assert plan == again
    assert plan.footprint.images == (BUSYBOX,)
    assert plan.footprint.mounts == (Mount("/srv/a", "/a", "ro"),)
    assert {"image", "user", "network", "resources", "command", "mounts", "tmpfs"} <= plan.describe().keys()
