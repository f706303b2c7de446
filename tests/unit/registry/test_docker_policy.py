"""What the policy keys of docker services become when a registry is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specql_jobs.core.registry.load import load
from specql_jobs.core.registry.model import Service

SERVICE = """
services:
  box:
    execution_type: docker
    runner_config: {{image: "a:1", tmpfs: {{/a: 1GiB, /b: 5}}}}
    security_policy: {{allowed_images: ["a:1"]{policy}}}
    operations: {{run: {{input_schema: {{}}}}}}
"""


def _read(folder: Path, policy: str = "") -> Service:
    path = folder / "services.yaml"
    path.write_text(SERVICE.format(policy=policy))
    found = load([path], variables={}).registry
    assert found is not None
    return found.services["box"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", (True, "none")),
        (", network_isolation: true", (True, "none")),
        (", network_isolation: false", (False, "all")),
        (", network_isolation: false, network_access: none", (False, "none")),
        (", network_access: all", (True, "all")),
    ],
)
def test_a_network_is_what_both_keys_allow(tmp_path: Path, policy: str, expected: Any) -> None:
    """Lifting isolation gives a network, unless network_access says less; access alone lifts nothing."""
    found = _read(tmp_path, policy).policy
    assert (found.network_isolation, found.network_access) == expected


def test_sizes_of_scratch_are_mebibytes(tmp_path: Path) -> None:
    """Sizes may be written as everywhere else, and reach the runner as numbers."""
    assert dict(_read(tmp_path).runner_config["tmpfs"]) == {"/a": 1024, "/b": 5}
