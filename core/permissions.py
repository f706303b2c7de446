"""What a service is allowed: every permission and limit of a policy, with restrictive defaults.

An allowlist that is not stated admits nothing, a permission that is not stated is refused, every limit has a number.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field

from .allowlists import domain_covers, exactly, function_covers, image_covers, path_covers
from .footprint import ResourceRequirements

MIB = 1024 * 1024

#: Ordered from strict to loose: a narrower policy may only move left.
NETWORK_MODES = ("none", "localhost", "all")
FILE_MODES = ("none", "read", "read_write")
SANDBOX_MODES = ("required", "none")

#: The limits that hold when a policy states none. Scratch counts as memory, so disk_mb stays below memory_mb.
DEFAULT_RESOURCES = ResourceRequirements(memory_mb=512, cpu_cores=1.0, pids=64, open_files=256, disk_mb=256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One service's effective permissions; `metadata["meet"]` says how two values of a field become the narrower."""

    allowed_domains: tuple[str, ...] = field(default=(), metadata={"meet": domain_covers})
    allow_private_networks: bool = field(default=False, metadata={"meet": "all"})
    allow_http: bool = field(default=False, metadata={"meet": "all"})
    max_request_size: int = field(default=MIB, metadata={"meet": "least"})  # bytes
    max_response_size: int = field(default=8 * MIB, metadata={"meet": "least"})  # bytes, after decompression
    max_redirects: int = field(default=0, metadata={"meet": "least"})
    allowed_commands: tuple[str, ...] = field(default=(), metadata={"meet": exactly})
    #: None: not restricted beyond what the registry itself names as working directory.
    working_directory_restrictions: tuple[str, ...] | None = field(default=None, metadata={"meet": path_covers})
    network_access: str = field(default="none", metadata={"meet": NETWORK_MODES})
    localhost_ports: tuple[int, ...] = field(default=(), metadata={"meet": "common"})
    file_access: str = field(default="read", metadata={"meet": FILE_MODES})
    read_paths: tuple[str, ...] = field(default=(), metadata={"meet": path_covers})
    write_paths: tuple[str, ...] = field(default=(), metadata={"meet": path_covers})
    allowed_env: tuple[str, ...] = field(default=(), metadata={"meet": exactly})
    sandbox: str = field(default="required", metadata={"meet": SANDBOX_MODES})
    allowed_images: tuple[str, ...] = field(default=(), metadata={"meet": image_covers})
    allowed_host_paths: tuple[str, ...] = field(default=(), metadata={"meet": path_covers})
    max_volumes: int = field(default=8, metadata={"meet": "least"})
    network_isolation: bool = field(default=True, metadata={"meet": "any"})
    require_digest: bool = field(default=False, metadata={"meet": "any"})
    allowed_providers: tuple[str, ...] = field(default=(), metadata={"meet": exactly})
    allowed_regions: tuple[str, ...] = field(default=(), metadata={"meet": exactly})
    allowed_functions: tuple[str, ...] = field(default=(), metadata={"meet": function_covers})
    max_invocations_per_hour: int | None = field(default=None, metadata={"meet": "least"})
    max_cost_per_hour: float | None = field(default=None, metadata={"meet": "least"})  # US dollars
    resources: ResourceRequirements = field(default=DEFAULT_RESOURCES, metadata={"meet": "each"})
    max_execution_time: float = field(default=3600.0, metadata={"meet": "least"})  # seconds
    max_output_bytes: int = field(default=MIB, metadata={"meet": "least"})
    max_concurrency: int | None = field(default=None, metadata={"meet": "least"})
    rate_limit_per_minute: int | None = field(default=None, metadata={"meet": "least"})
    tenant_concurrency: int | None = field(default=None, metadata={"meet": "least"})  # of each tenant
    tenant_rate_per_minute: int | None = field(default=None, metadata={"meet": "least"})
    failure_threshold: int | None = field(default=None, metadata={"meet": "least"})  # circuit breaker
    recovery_timeout: float | None = field(default=None, metadata={"meet": "least"})  # seconds

    def digest(self) -> str:
        """Return the sha256, in hex, of everything that is allowed: equal for equal policies, for the audit trail."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
