"""Verdicts: judging only what differs from the last clean footprint gives the verdicts of judging everything."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.footprint import Endpoint, Footprint, FunctionRef, Mount, ResourceRequirements
from specql_jobs.core.policy import AMOUNTS, Policy, judge
from specql_jobs.core.verdicts import Verdicts

POLICY = Policy(
    allowed_domains=("a.com",),
    allowed_commands=("/bin/a",),
    allowed_images=("app:1",),
    allowed_functions=("f",),
    allowed_env=("A",),
    localhost_ports=(80,),
    file_access="read",
    read_paths=("/srv",),
    allowed_host_paths=("/srv",),
    network_access="localhost",
    max_request_size=10,
    max_response_size=10,
    max_output_bytes=20,
    max_execution_time=10,
    max_cost_per_hour=1.0,
    sandbox="none",
    max_volumes=0,
)
#: A clean and a refused value of each field but the amounts; most are drawn clean.
TOUCHED: dict[str, tuple[Any, Any]] = {
    "endpoints": ((Endpoint("https", "a.com", 443),), (Endpoint("https", "b.com", 443),)),
    "commands": (("/bin/a",), ("/bin/b",)),
    "images": ((), ("app:2",)),
    "user": ("1000", "root"),
    "functions": ((), (FunctionRef("aws", "", "g"),)),
    "regions": ((), ("eu-1",)),
    "mounts": ((Mount("/srv/x", "/x", "ro"),), (Mount("/etc", "/x", "rw"),)),
    "working_directory": ("", "/etc"),
    "network": ("none", "all"),
    "localhost_ports": ((80,), (81,)),
    "env": (("A",), ("a b",)),
    "input_env": (("A",), ("B",)),
    "secrets": ((), ("env:X",)),
    "sandbox": ("none", "?"),
    "resources": (ResourceRequirements(), ResourceRequirements(memory_mb=10**9)),
}
clean = {name: pair[0] for name, pair in TOUCHED.items()}
amounts = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(AMOUNTS, st.sampled_from([0, 5, 10, 15, 25, float("nan"), float("inf")]))
)
refused = st.lists(st.sampled_from([*TOUCHED]), max_size=2)
footprints = st.builds(
    lambda bad, sizes: Footprint(**{**clean, **{name: TOUCHED[name][1] for name in bad}, **sizes}), refused, amounts
)


def test_every_field_is_an_amount_or_drawn_here() -> None:
    """A field that is added to Footprint must be tried here too."""
    assert {*TOUCHED, *AMOUNTS} == {*Footprint._fields}


@given(st.lists(footprints, max_size=8))
def test_the_verdicts_are_those_of_judging_everything(asked: list[Footprint]) -> None:
    """Whatever was judged before, the answer is the one that `judge` gives, sentence by sentence."""
    verdicts = Verdicts(POLICY)
    assert [verdicts.judge(footprint) for footprint in asked] == [judge(footprint, POLICY) for footprint in asked]


def test_what_can_still_change_is_judged_each_time() -> None:
    """A runner that states a list, judged clean, and then appends to it, is refused."""
    commands = ["/bin/a"]
    stated: Any = commands
    footprint = Footprint(commands=stated)
    verdicts = Verdicts(POLICY)
    assert verdicts.judge(footprint) == ()
    commands.append("/bin/b")
    assert verdicts.judge(footprint) == judge(footprint, POLICY) != ()
