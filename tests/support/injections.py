"""Values and bytes that a registry must never take in silence: (what it is, as written, what the finding names)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Value = tuple[str, str, str]

_DURATIONS: Final[tuple[Value, ...]] = (
    ("negative", "-5", "-5"),
    ("zero", "0", "0"),
    ("unit", "5 parsecs", "5 parsecs"),
    ("words", "five minutes", "five minutes"),
    ("huge", "999999999999d", "999999999999d"),
    ("infinite", ".inf", ".inf"),
    ("switch", "true", "true"),
)
_SIZES: Final[tuple[Value, ...]] = (
    ("negative", "-1", "-1"),
    ("unit", "12 apples", "12 apples"),
    ("zero", "0MB", "0MB"),
    ("fraction", "0.5", "0.5"),
    ("huge", "9" * 40, "9" * 20),
)
_COUNTS: Final[tuple[Value, ...]] = (
    ("negative", "-1", "-1"),
    ("text", "many", "many"),
    ("quoted", '"3"', "3"),
    ("fraction", "1.5", "1.5"),
    ("exponent", "1e400", "1e400"),
    ("hexadecimal", "0x10", "0x10"),
)
_SWITCHES: Final[tuple[Value, ...]] = (("norway", "no", "no"), ("number", "1", "1"), ("quoted", '"true"', "true"))
_PATHS: Final[tuple[Value, ...]] = (
    ("relative", "data", "data"),
    ("above", '"../etc"', "../etc"),
    ("climbing", '"/srv/../etc"', ".."),
    ("socket", '"/var/run/docker.sock"', "docker.sock"),
    ("everything", '"/"', "/"),
    ("nul", '"/srv/\\0x"', ""),
)
_FIELDS: Final[tuple[Value, ...]] = (
    ("unknown-type", "strin", "strin"),
    ("number", "7", "7"),
    ("null", "", ""),
    ("list", "[string, integer]", "list"),
)
_WORDS: Final[tuple[Value, ...]] = (("unknown", "sideways", "sideways"), ("empty", '""', ""), ("spaces", '" "', ""))

#: Where (the end of a path; "*" is one step) -> what is put there.
VALUES: Final[dict[tuple[str, ...], tuple[Value, ...]]] = {
    ("base_url",): (
        ("private", '"https://10.0.0.8/v2"', "10.0.0.8"),
        ("metadata", '"https://169.254.169.254/latest"', "169.254.169.254"),
        ("loopback", '"https://localhost:9/"', "localhost"),
        ("plain-http", '"http://ledger.example.com/v2"', "http"),
        ("credentials", '"https://me:hunter2@ledger.example.com"', "base_url"),
        ("scheme", '"ftp://ledger.example.com"', "ftp"),
        ("elsewhere", '"https://ledger.example.org"', "ledger.example.org"),
        ("mapped", '"https://[::ffff:10.0.0.8]/"', "10.0.0.8"),
        ("unset", '"https://${NO_SUCH_VARIABLE}/"', "NO_SUCH_VARIABLE"),
        ("half", '"https://${}/"', "${"),
        ("no-host", '"https:///x"', "base_url"),
    ),
    ("allowed_domains", "*"): (
        ("all", '"*"', "*"),
        ("top-level", '"*.com"', ".com"),
        ("url", '"https://a.example"', "https://a.example"),
        ("inner-star", '"a.*.example"', "a.*.example"),
        ("empty", '""', ""),
    ),
    ("headers", "*"): (
        ("secret", '"Bearer sk_live_51HxQ7dKjBv8mN2pR4tY6wZ9c"', "X-"),
        ("interpolated", '"Bearer ${LEDGER_TOKEN:-x}"', "LEDGER_TOKEN"),
        ("list", "[a]", ""),
    ),
    ("path",): (
        ("placeholder", '"/entries/{nowhere}"', "nowhere"),
        ("other-host", '"//evil.example/x"', "evil.example"),
        ("spaces", '"/a b"', "/a b"),
        ("brace", '"/entries/{"', "{"),
        ("climbing", '"/../admin"', ".."),
    ),
    ("query", "*"): (("placeholder", '"{nowhere}"', "nowhere"),),
    ("body", "*"): (("placeholder", '"{nowhere}"', "nowhere"),),
    ("method",): (("unknown", "FETCH", "FETCH"),),
    ("argv", "*"): (
        ("placeholder", '"{nowhere}"', "nowhere"),
        ("brace", '"{"', "{"),
        ("mapping", "{file}", "{file}"),
    ),
    ("argv", "0"): (
        ("shell", "/bin/sh", "/bin/sh"),
        ("relative", "convert", "convert"),
        ("input", '"{file}"', "input"),
    ),
    ("allowed_commands", "*"): (
        ("shell", "/bin/sh", "sh"),
        ("bash", "/usr/bin/bash", "bash"),
        ("env", "/usr/bin/env", "env"),
        ("python", "/usr/bin/python3.11", "python3.11"),
        ("sudo", "/usr/bin/sudo", "sudo"),
        ("busybox", "/bin/busybox", "busybox"),
        ("relative", "convert", "convert"),
        ("star", '"/usr/bin/*"', "*"),
        ("climbing", '"/usr/bin/../../bin/sh"', "sh"),
    ),
    ("image",): (
        ("latest", '"scorer:latest"', "latest"),
        ("untagged", "scorer", "scorer"),
        ("tag", '"scorer:2"', "scorer:2"),
        ("spaces", '"sco rer:2"', "sco rer:2"),
        ("short-digest", '"scorer@sha256:12"', "sha256:12"),
    ),
    ("host_path",): _PATHS,
    ("container_path",): (("relative", "models", "models"), ("root", '"/"', "/"), ("climbing", '"/a/../.."', "..")),
    ("read_paths", "*"): _PATHS,
    ("write_paths", "*"): (*_PATHS, ("temporary", '"/tmp/x"', "/tmp/x"), ("programs", '"/usr/bin"', "/usr/bin")),
    ("allowed_host_paths", "*"): _PATHS,
    ("working_directory",): (
        ("relative", "in", "in"),
        ("outside", '"/opt/x"', "/opt/x"),
        ("above", '"/srv/convert/.."', ".."),
    ),
    ("mode",): (("unknown", "rwx", "rwx"),),
    ("network_mode",): (("host", "host", "host"),),
    ("user",): (
        ("root", "root", "root"),
        ("zero", "0", "root"),
        ("zero-text", '"0:0"', "root"),
        ("negative", "-1", "-1"),
    ),
    ("read_only",): (("off", "false", "file system"), *_SWITCHES),
    ("network_isolation",): (("off", "false", "network"), *_SWITCHES),
    ("require_digest",): _SWITCHES,
    ("verify",): (("off", "false", "verify"), *_SWITCHES),
    ("allow_http",): _SWITCHES,
    ("allow_private_networks",): _SWITCHES,
    ("sandbox",): (("none", "none", "sandbox"), *_WORDS),
    ("network_access",): (("all", "all", "network"), *_WORDS),
    ("file_access",): _WORDS,
    ("auth_type",): (("unknown", "digest", "digest"), ("empty", '""', "")),
    ("client_secret_env_var",): (
        ("secret", '"sk_live_51HxQ7dKjBv8mN2pR4tY6wZ9c"', ""),
        ("dashes", "MY-SECRET", "MY-SECRET"),
    ),
    ("provider",): (("unknown", "heroku", "heroku"), ("elsewhere", "gcp", "gcp")),
    ("function_name",): (("spaces", '"re size"', "re size"), ("elsewhere", "other", "other")),
    ("region",): (("capitals", "EU-WEST-1", "EU-WEST-1"), ("elsewhere", "us-east-1", "us-east-1")),
    ("invocation_type",): (("unknown", "Later", "Later"),),
    ("allowed_functions", "*"): (("star", '"*"', "*"),),
    ("allowed_regions", "*"): (("star", '"eu-*"', "eu-*"),),
    ("allowed_env", "*"): (("preload", "LD_PRELOAD", "LD_PRELOAD"), ("path", "PATH", "PATH"), ("name", "a-b", "a-b")),
    ("payload", "*"): (("placeholder", '"{nowhere}"', "nowhere"),),
    ("localhost_ports", "*"): (("huge", "70000", "70000"), ("zero", "0", "0"), ("text", "http", "http")),
    ("retry_status_codes", "*"): (("not-a-status", "42", "42"), ("final", "404", "404"), ("text", "busy", "busy")),
    ("input_schema", "account"): _FIELDS,
    ("input_schema", "file"): _FIELDS,
    ("input_schema", "row"): _FIELDS,
    ("input_schema", "width"): _FIELDS,
    ("input_schema", "type"): (("unknown", "objekt", "objekt"),),
    ("minLength",): (("above", "50", "50"), ("negative", "-1", "-1"), ("text", "few", "few")),
    ("required",): (("null", "", ""), ("text", "id", "id"), ("number", "7", "7")),
    ("properties",): (("null", "", ""), ("text", "id", "id"), ("list", "[id]", "")),
    ("additionalProperties",): (("null", "", ""), ("text", "no", "no")),
    ("required", "*"): (("undeclared", "nowhere", "nowhere"),),
    ("timeout",): (*_DURATIONS, ("above-limit", "20h", "72000")),
    ("max_execution_time",): _DURATIONS,
    ("recovery_timeout",): _DURATIONS,
    ("base_seconds",): _DURATIONS,
    ("max_seconds",): _DURATIONS,
    ("max_request_size",): _SIZES,
    ("max_output_bytes",): _SIZES,
    ("memory_mb",): _SIZES,
    ("disk_mb",): _SIZES,
    ("max_retries",): (*_COUNTS, ("huge", "999", "999")),
    ("max_concurrency",): (*_COUNTS, ("zero", "0", "0")),
    ("rate_limit_per_minute",): (*_COUNTS, ("zero", "0", "0")),
    ("failure_threshold",): (*_COUNTS, ("zero", "0", "0")),
    ("max_volumes",): (("negative", "-1", "-1"), ("text", "many", "many")),
    ("max_redirects",): _COUNTS,
    ("pids",): _COUNTS,
    ("backoff_factor",): (("negative", "-1", "-1"), ("text", "double", "double"), ("huge", "1e9", "1e9")),
    ("max_cost_per_hour",): (("negative", "-1", "-1"), ("currency", "2.5 USD", "2.5 USD")),
    ("cpu_cores",): (("zero", "0", "0"), ("negative", "-2", "-2"), ("text", "two", "two"), ("huge", "1e30", "1e30")),
    ("execution_type",): (("unknown", "grpc", "grpc"), ("list", "[http]", "list"), ("norway", "on", "on")),
    ("name",): (
        ("spaces", '"two words"', "two words"),
        ("slash", "a/b", "a/b"),
        ("dots", '".."', ".."),
        ("number", "7", "7"),
        ("empty", '""', ""),
        ("long", "x" * 80, "x" * 20),
        ("unicode", '"ｌedger"', ""),
        ("control", '"a\\u0007"', ""),
    ),
}


def inside(path: tuple[str | int, ...], place: tuple[str, ...]) -> bool:
    """Whether a path ends with a place."""
    end = path[-len(place) :]
    return len(end) == len(place) and all(want in ("*", str(step)) for want, step in zip(place, end, strict=True))


# ---- the text itself -------------------------------------------------------------------------------------------------

Spoil = Callable[[tuple[str, ...], int], bytes]


def _instead(line: bytes) -> Spoil:
    """Another line instead of `execution_type: …`, indented as it was; %VALUE% is what stood there."""

    def spoil(lines: tuple[str, ...], number: int) -> bytes:
        old = lines[number]
        value = old.split(": ")[1].encode()
        indent = old[: len(old) - len(old.lstrip())].encode()
        new = indent + line.replace(b"%VALUE%", value).replace(b"%INDENT%", indent)
        return b"\n".join(
            [*(each.encode() for each in lines[:number]), new, *(each.encode() for each in lines[number + 1 :]), b""]
        )

    return spoil


#: What takes the place of the line `execution_type: …`, what the finding names, and by how many lines it is later.
BYTES: Final[tuple[tuple[str, Spoil, str, int], ...]] = (
    ("latin-1", _instead(b"description: caf\xe9"), "UTF-8", 0),
    ("utf-16-half", _instead(b"description: \xed\xa0\x80"), "UTF-8", 0),
    ("nul", _instead(b"description: a\0b"), "U+0000", 0),
    ("escape", _instead(b"description: \x1b[31mred"), "U+001B", 0),
    ("line-separator", _instead("description: a\u2028b".encode()), "U+2028", 0),
    ("bom-inside", _instead("description: \ufeffx".encode()), "U+FEFF", 0),
    ("tab", _instead(b"\texecution_type: %VALUE%"), "tab", 0),
    ("tag", _instead(b"execution_type: !!python/name:os.system %VALUE%"), "os.system", 0),
    ("local-tag", _instead(b"execution_type: !secret %VALUE%"), "!secret", 0),
    ("unused-anchor", _instead(b"execution_type: &kind %VALUE%"), "kind", 0),
    ("unknown-alias", _instead(b"description: *nobody"), "nobody", 0),
    ("merge-of-text", _instead(b"<<: text"), "<<", 0),
    ("homoglyph", _instead("executi\u043en_type: %VALUE%".encode()), "execution_type", 0),
    ("zero-width", _instead("execution\u200b_type: %VALUE%".encode()), "execution_type", 0),
    ("right-to-left", _instead("\u202eexecution_type: %VALUE%".encode()), "execution_type", 0),
    ("number-as-key", _instead(b"7: %VALUE%"), "7", 0),
    ("list-as-key", _instead(b"? [a]\n%INDENT%: %VALUE%"), "not text", 0),
    ("null-as-key", _instead(b"~: %VALUE%"), "~", 0),
    ("no-space", _instead(b"execution_type:%VALUE%"), "", 0),
    ("open-quote", _instead(b'description: "open'), "", 0),
    ("open-bracket", _instead(b"description: [open"), "begins in line", 1),
    ("at-sign", _instead(b"description: @home"), "", 0),
    ("deep", _instead(b"description: " + b"[" * 60 + b"]" * 60), "40", 0),
    ("wide", _instead(b"description: [" + b"x, " * 300_000 + b"]"), "200,000", 0),
    ("second-document", _instead(b"execution_type: %VALUE%\n---\nservices: []"), "document", 1),
    ("directive", _instead(b"%YAML 1.1"), "", 0),
    ("brace", _instead(b"description: {a: b"), "begins in line", 1),
)
