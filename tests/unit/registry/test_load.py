"""Registry files to a Registry: forms, aliases, environments, variables, findings with exact places."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from support.registries import FIXTURES, errors, good, read, token

from specql_jobs.core.errors import RegistryError, UsageError
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.registry.load import load, load_text, require
from specql_jobs.core.registry.model import Severity

# ---- forms and aliases -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["list_form", "mapping_form", "four_types", "environments"])
def test_every_form_loads_without_an_error(name: str) -> None:
    """The list form, the mapping form, all four execution types and overlays are valid registries."""
    loaded = load([FIXTURES / f"{name}.yaml"], variables={})
    assert errors(loaded) == []
    assert loaded.registry is not None
    assert loaded.files == 1


def test_the_list_form_is_http_with_nothing_allowed() -> None:
    """A service that states no execution type is HTTP, and no allowlist means that nothing is allowed."""
    service = good(load([FIXTURES / "list_form.yaml"], variables={})).service("MailGun")
    assert service is not None
    operation = service.operation("SEND")
    assert operation is not None
    assert (service.execution_type, service.policy.allowed_domains) == (ExecutionType.HTTP, ())
    assert (operation.timeout, operation.max_retries, operation.shorthand) == (20.0, 2, True)
    assert list(operation.input_schema["required"]) == ["to", "subject"]
    assert operation.input_schema["additionalProperties"] is False


def test_aliases_mean_the_same_as_canonical_keys() -> None:
    """`security`, `cpu`, `memory` with a unit and a policy's working_directory are read as their canonical keys."""
    service = good(load([FIXTURES / "mapping_form.yaml"], variables={})).service("thumbnails")
    assert service is not None
    policy = service.policy
    assert service.execution_type is ExecutionType.SHELL
    assert (policy.resources.cpu_cores, policy.resources.memory_mb) == (0.5, 256)
    assert policy.max_execution_time == 120.0
    assert policy.working_directory_restrictions == ("/srv/thumbnails",)
    assert service.runner_config["working_directory"] == "/srv/thumbnails"


def test_all_four_execution_types_reach_the_model() -> None:
    """Every key of the four types ends in the policy, the settings or the operation that it belongs to."""
    registry = good(load([FIXTURES / "four_types.yaml"], variables={}))
    ledger, converter, scorer, resizer, _ = registry.services.values()
    assert (ledger.timeout, ledger.retry.max_retries, ledger.retry.backoff_factor) == (30.0, 4, 3.0)
    assert (ledger.policy.max_request_size, ledger.policy.recovery_timeout) == (65536, 60.0)
    assert ledger.operations["post_entry"].mapping["request"]["method"] == "post"
    assert dict(converter.runner_config["environment"]) == {"LEVEL": "1.10", "DEBUG": "true"}
    assert converter.operations["to_png"].mapping["argv"][2] == "{file}"
    assert (scorer.policy.allowed_host_paths, scorer.policy.max_volumes) == (("/models",), 2)
    assert (resizer.policy.max_execution_time, resizer.policy.max_cost_per_hour) == (900.0, 2.5)
    assert (resizer.runner_config["memory_mb"], resizer.policy.allowed_functions) == (1024, ("resize",))


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("HTTP", "http"),
        ("Api", "http"),
        ("Process", "shell"),
        ("SCRIPT", "shell"),
        ("shell", "shell"),
        ("function", "serverless"),
    ],
)
def test_execution_types_are_read_in_any_case_and_by_alias(word: str, kind: str) -> None:
    """The words of the contract name the four types in any case."""
    config = ", runner_config: {provider: aws, function_name: f}" if kind == "serverless" else ""
    registry = good(
        read(f"services: {{s: {{execution_type: {word}{config}, operations: {{o: {{input_schema: {{}}}}}}}}}}")
    )
    assert registry.services["s"].execution_type.value == kind


def test_the_model_cannot_be_changed() -> None:
    """Mappings are read-only and lists are tuples at every level."""

    def frozen(value: Any) -> bool:
        if isinstance(value, MappingProxyType):
            return all(frozen(below) for below in value.values())
        return not isinstance(value, dict | list | set) and (
            not isinstance(value, tuple) or all(frozen(below) for below in value)
        )

    registry = good(load([FIXTURES / "four_types.yaml"], variables={}))
    for service in registry.services.values():
        assert frozen(service.runner_config)
        assert frozen(service.declared_config)
        for operation in service.operations.values():
            assert frozen(operation.input_schema)
            assert frozen(operation.mapping)


# ---- findings --------------------------------------------------------------------------------------------------------

WRONG = [
    ("execution_typ: http", "SQJ101", "execution_typ"),
    ("execution_type: https", "SQJ104", "https"),
    ("runner_config: {base_url: ftp://x}", "SQJ104", "ftp://x"),
    ("runner_config: {base_url: 'https://user:pw@x.com'}", "SQJ104", "'https://user:pw@x.com'"),
    ("runner_config: {base_url: 'https://['}", "SQJ104", "'https://['"),
    ("runner_config: {base_url: 'https://a.com:port'}", "SQJ104", "'https://a.com:port'"),
    ("runner_config: {timeout: soon}", "SQJ105", "soon"),
    ("runner_config: {timeout: 0}", "SQJ104", "0"),
    ("runner_config: {timeout: true}", "SQJ102", "true"),
    ("runner_config: {auth_type: beerer}", "SQJ104", "beerer"),
    ("runner_config: {retry_config: {max_retries: -1}}", "SQJ104", "-1"),
    ("runner_config: {auth_config: {token: abc}}", "SQJ101", "token"),
    ("security_policy: {allow_http: yes}", "SQJ102", "yes"),
    ("security_policy: {allowed_domains: a.com}", "SQJ102", "a.com"),
    ("security_policy: {allowed_domains: [https://a.com]}", "SQJ104", "https://a.com"),
    ("security_policy: {allowed_domains: ['*']}", "SQJ104", "'*'"),
    ("security_policy: {allowed_domains: }", "SQJ102", ""),
    ("security_policy: {allowed_commands: [/bin/x]}", "SQJ101", "allowed_commands"),
    ("security_policy: {max_request_size: 3 parsecs}", "SQJ105", "3 parsecs"),
    ("security_policy: {rate_limit_per_minute: 0}", "SQJ104", "0"),
    ("security_policy: {rate_limit_per_minute: .inf}", "SQJ102", ".inf"),
    ("security: {}, security_policy: {}", "SQJ109", "security_policy"),
    ("category: [x]", "SQJ102", "[x]"),
]


@pytest.mark.parametrize(("line", "code", "pointed"), WRONG)
def test_a_wrong_service_is_one_finding_at_the_token(line: str, code: str, pointed: str) -> None:
    """Unknown keys point at the key, wrong values at the value, and each mistake is one finding."""
    text = f"services:\n  s: {{{line}, operations: {{o: {{input_schema: {{}}}}}}}}\n"
    (found,) = errors(read(text))
    assert (found.code, token(text, found), found.service) == (code, pointed, "s")
    assert found.help


def test_unknown_keys_suggest_the_near_one() -> None:
    """A misspelt key names the one that was probably meant, and that one is not called missing besides."""
    (found,) = errors(read("services: {s: {opertions: {o: {input_schema: {}}}}}"))
    assert (found.code, "did you mean `operations`" in found.message) == ("SQJ101", True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("services: []", "SQJ104"),
        ("services: {}", "SQJ104"),
        ("services: 3", "SQJ102"),
        ("[]", "SQJ102"),
        ("just text", "SQJ102"),
        ("serviecs: {}", "SQJ101"),
        ("version: 1", "SQJ106"),
        ("services: {s: }", "SQJ102"),
        ("services: {s: {operations: {}}}", "SQJ104"),
        ("services: {s: {operations: {o: }}}", "SQJ102"),
        ("services: [{type: x, operations: [{name: o}]}]", "SQJ103"),
        ("services: [{name: s, operations: [{name: o}]}]", "SQJ103"),
        ("services: [{name: s, type: x, operations: [{}]}]", "SQJ103"),
        ("services: {'a b': {operations: {o: {}}}}", "SQJ104"),
        ('services: {"a\\n": {operations: {o: {}}}}', "SQJ104"),
        ("services: {s: {execution_type: docker, operations: {o: {}}}}", "SQJ103"),
        ("services: {s: {operations: {o: {input_schema: [a]}}}}", "SQJ102"),
        ("services: {s: {operations: {o: {request: {path: '//evil.com'}}}}}", "SQJ104"),
        ("services: {s: {operations: {o: {argv: [/bin/x]}}}}", "SQJ101"),
        ("services: {S: {operations: {o: {}}}, s: {operations: {o: {}}}}", "SQJ107"),
        ("services: {s: {operations: [{name: o}, {name: O}]}}", "SQJ107"),
    ],
)
def test_wrong_structures_are_findings(text: str, code: str) -> None:
    """Whatever the structure, the answer is an error finding and no registry."""
    loaded = read(text)
    assert loaded.registry is None
    assert code in [found.code for found in errors(loaded)]


def test_findings_name_service_and_operation() -> None:
    """In the list form too, a finding says which service and operation it is about."""
    (found,) = errors(
        read(
            """
            services:
              - name: pay
                type: x
                category: y
                operations:
                  - name: ok
                    input_schema: {}
                  - name: charge
                    input_schema: {}
                    timeout: [1]
            """
        )
    )
    assert (found.service, found.operation) == ("pay", "charge")
    assert found.message == (
        "pay.operations.charge.timeout: wanted seconds as a number, or a duration such as 30s, 5m or 1h, got a list"
    )


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{a: strin}", "did you mean string"),
        ("{a: [string, integer]}", "wanted a type"),
        ("{a: 3}", "wanted a type"),
        ("{'a{b': string}", "cannot be the name"),
        ("{type: object, properties: {a: {type: strin}}}", "not a valid JSON Schema"),
        ("{type: object, properties: {a: {pattern: '['}}}", "regex"),
        ("{$ref: 'https://example.com/schema'}", "leaves this schema"),
        ("{type: object, properties: {a: {$ref: '#/$defs/b'}}}", "leads nowhere"),
        ("{$schema: 'https://example.com/mine', type: object}", "not a known draft"),
    ],
)
def test_bad_schemas_are_found_when_the_registry_is_read(schema: str, message: str) -> None:
    """A schema that cannot be used is an error at load time, not at the first job."""
    (found,) = errors(read(f"services: {{s: {{operations: {{o: {{input_schema: {schema}}}}}}}}}"))
    assert found.code == "SQJ111"
    assert message in found.message
    assert (found.service, found.operation) == ("s", "o")


def test_placeholders_must_be_declared() -> None:
    """A template that reads a field which input_schema does not have is an error at that template."""
    text = """
    services:
      s:
        execution_type: shell
        security: {allowed_commands: [/bin/x]}
        operations:
          o:
            input_schema: {file: string}
            argv: ["/bin/x", "{file}", "{fiel}", "{{literal}}"]
    """
    (found,) = errors(read(text))
    assert (found.code, token(text, found)) == ("SQJ201", "{fiel}")


def test_an_unquoted_placeholder_is_explained() -> None:
    """`{file}` without quotes is a YAML mapping; the finding says to quote it."""
    text = "services: {s: {execution_type: shell, operations: {o: {input_schema: {f: string}, argv: [/bin/x, {f}]}}}}"
    (found,) = errors(read(text))
    assert 'quotes: "{f}"' in found.message


@pytest.mark.parametrize(
    ("service", "operation", "codes"),
    [
        ("", "input_schema: {to: string}", {"SQJ501", "SQJ204"}),
        ("", "input_schema: {endpoint: string}", {"SQJ501"}),
        ("", "input_schema: {type: object}", {"SQJ501"}),
        ("", "timeout: 5", {"SQJ501"}),
        ('runner_config: {base_url: "https://a.example"}, ', "input_schema: {to: string}", set()),
    ],
    ids=["nowhere", "endpoint", "open", "no schema", "base_url"],
)
def test_an_http_operation_that_no_job_can_address_is_told(service: str, operation: str, codes: set[str]) -> None:
    """Without base_url, and with an input that can have no endpoint, each job would fail: that is a warning."""
    text = f"services: {{mail: {{category: a, {service}operations: {{send: {{{operation}}}}}}}}}"
    assert {found.code for found in read(text).findings} & {"SQJ501", "SQJ204"} == codes


def test_what_a_reviewer_would_object_to_is_a_warning() -> None:
    """Interpreters, unpinned images and jobs without any address are warnings, a missing base_url by itself is info."""
    loaded = load([FIXTURES / "four_types.yaml"], variables={})
    warned = {(found.code, found.service) for found in loaded.findings if found.severity is Severity.WARNING}
    assert warned == {("SQJ402", "scorer"), ("SQJ204", "old_api")}
    assert ("SQJ501", Severity.INFO) in {(found.code, found.severity) for found in loaded.findings}
    interpreter = load([FIXTURES / "mapping_form.yaml"], variables={})
    warnings = [found for found in interpreter.findings if found.severity is Severity.WARNING]
    assert [(found.code, found.position.column) for found in warnings] == [("SQJ401", 46)]


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("runner_config: {base_url: 'https://a.com'}", "SQJ403"),
        ("runner_config: {base_url: 'http://a.com'}, security: {allowed_domains: [a.com]}", "SQJ502"),
        ("runner_config: {base_url: 'https://a.com', verify: false}, security: {allowed_domains: [a.com]}", "SQJ406"),
        ("execution_type: shell, security: {network_access: all}", "SQJ404"),
        ("execution_type: shell, security: {sandbox: none}", "SQJ405"),
        ("execution_type: shell, runner_config: {timeout: 2h}", "SQJ301"),
        ("execution_type: docker, runner_config: {image: 'x@sha256:00'}", "SQJ403"),
    ],
)
def test_each_warning_rule_fires(service: str, code: str) -> None:
    """A registry that would surprise its author loads, with a warning that says why."""
    loaded = read(f"services: {{s: {{{service}, operations: {{o: {{input_schema: {{}}}}}}}}}}")
    assert good(loaded)
    warned = [found.code for found in loaded.findings if found.severity is Severity.WARNING]
    assert code in warned
    assert set(warned) <= {code, "SQJ204"}  # these fixtures say nothing about what to start


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ("auth_type: bearer", "needs token"),
        ("auth_type: basic, auth_config: {password_env_var: P}", "needs username"),
        ("auth_type: oauth2, auth_config: {client_id: me}", "needs client_secret and token_url"),
        ("auth_config: {token_env_var: T}", "no auth_type"),
    ],
)
def test_credentials_must_be_complete(settings: str, missing: str) -> None:
    """An authentication that no request could use is an error when the registry is read."""
    text = f"services: {{s: {{runner_config: {{{settings}}}, operations: {{o: {{input_schema: {{}}}}}}}}}}"
    (found,) = errors(read(text))
    assert found.code == "SQJ503"
    assert missing in found.message


# ---- variables -------------------------------------------------------------------------------------------------------


def test_variables_are_filled_and_unquoted_ones_retyped() -> None:
    """An unquoted scalar gets the type that it reads as after filling; a quoted one stays text."""
    text = """
    services:
      s:
        description: "${WORD}"
        runner_config:
          timeout: ${SECONDS:-45}
          base_url: https://${HOST}/v1
          headers: {X-Literal: "$${kept}"}
        security: {allowed_domains: ["${HOST}"]}
        operations: {o: {input_schema: {}}}
    """
    service = good(read(text, HOST="api.example.com", WORD="7")).services["s"]
    assert service.timeout == 45.0
    assert service.runner_config["base_url"] == "https://api.example.com/v1"
    assert service.runner_config["headers"]["X-Literal"] == "${kept}"
    assert good(read(text, HOST="h.com", WORD="x", SECONDS="5")).services["s"].timeout == 5.0


def test_an_unset_variable_is_a_finding_at_the_reference() -> None:
    """An unset variable without a default is one error, exactly where it is written."""
    text = "services: {s: {runner_config: {base_url: 'https://${HOST}/x'}, operations: {o: {input_schema: {}}}}}"
    (found,) = errors(read(text))
    assert (found.code, token(text, found)) == ("SQJ008", "${HOST}")
    (malformed,) = errors(read(text.replace("${HOST}", "${HOST?}")))
    assert malformed.code == "SQJ009"


def test_a_variables_value_never_reaches_a_message() -> None:
    """Findings show what is written in the file, never what a variable holds."""
    text = "services:\n  s:\n    runner_config:\n      timeout: ${PASSWORD}\n    operations: {o: {input_schema: {}}}\n"
    loaded = read(text, PASSWORD="hunter2-secret")
    assert [found.code for found in errors(loaded)] == ["SQJ105"]
    assert "hunter2" not in repr(loaded.findings)


def test_a_variables_value_is_never_read_as_yaml() -> None:
    """A value cannot add keys or lists: it fills one scalar."""
    text = "services:\n  s:\n    description: ${TEXT}\n    operations: {o: {input_schema: {}}}\n"
    loaded = read(text, TEXT="x\n    security: {allowed_domains: [evil.com]}")
    assert good(loaded).services["s"].policy.allowed_domains == ()


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_folder_means_its_yaml_files(tmp_path: Path) -> None:
    """A folder stands for *.yaml and *.yml in it, sorted; other files do not count."""
    (tmp_path / "b.yml").write_text("services: {b: {operations: {o: {input_schema: {}}}}}")
    (tmp_path / "a.yaml").write_text("services: {a: {operations: {o: {input_schema: {}}}}}")
    (tmp_path / "notes.txt").write_text("not yaml: [")
    loaded = load([tmp_path], variables={})
    assert (list(good(loaded).services), loaded.files) == (["a", "b"], 2)
    assert set(loaded.sources) == {str(tmp_path / "a.yaml"), str(tmp_path / "b.yml")}


def test_a_service_in_two_files_is_a_finding(tmp_path: Path) -> None:
    """One service is defined in one file, whatever the case of its name."""
    (tmp_path / "a.yaml").write_text("services: {pay: {operations: {o: {input_schema: {}}}}}")
    (tmp_path / "b.yaml").write_text("services: {Pay: {operations: {o: {input_schema: {}}}}}")
    (found,) = errors(load([tmp_path], variables={}))
    assert (found.code, found.position.path) == ("SQJ108", str(tmp_path / "b.yaml"))


def test_unreadable_paths_are_usage_errors(tmp_path: Path) -> None:
    """A missing path, an empty folder and a device are called-wrongly, not findings."""
    for path in (tmp_path / "missing.yaml", tmp_path, Path("/dev/null")):
        with pytest.raises(UsageError) as caught:
            load([path], variables={})
        assert caught.value.code == "E221"
        assert str(path) in caught.value.message


def test_bytes_that_are_no_text_are_findings(tmp_path: Path) -> None:
    """UTF-16 and Latin-1 are findings with a place; a UTF-8 byte-order mark is only mentioned."""
    body = "services: {s: {operations: {o: {input_schema: {}}}}}\n"
    file = tmp_path / "r.yaml"
    file.write_bytes(b"# caf\xe9\n" + body.encode())
    (latin,) = errors(load([file], variables={}))
    assert (latin.code, latin.position.line, latin.position.column) == ("SQJ006", 1, 6)
    file.write_bytes(body.encode("utf-16"))
    assert [found.code for found in errors(load([file], variables={}))] == ["SQJ006"]
    file.write_bytes(b"\xef\xbb\xbf" + body.encode())
    marked = load([file], variables={})
    assert good(marked)
    assert "SQJ011" in [found.code for found in marked.findings]


def test_a_file_past_the_size_cap_is_a_finding(tmp_path: Path) -> None:
    """More than the cap is not even parsed."""
    (tmp_path / "r.yaml").write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    assert [found.code for found in load([tmp_path], variables={}).findings] == ["SQJ005"]


def test_the_digest_is_of_bytes_and_environment(tmp_path: Path) -> None:
    """The digest changes with any byte and with the environment, and not with the path."""
    text = (FIXTURES / "environments.yaml").read_text()
    base, staging = load_text(text, variables={}), load_text(text, environment="staging", variables={})
    again, changed = load_text(text, "other", variables={}), load_text(text + "\n", variables={})
    digests = [good(loaded).digest for loaded in (base, staging, again, changed)]
    assert digests[0] == digests[2]
    assert len(set(digests)) == 3


def test_require_raises_with_the_first_place(tmp_path: Path) -> None:
    """Who needs a registry gets it, or one line with file, line and column of the first error."""
    file = tmp_path / "r.yaml"
    file.write_text("services:\n  s:\n    opertions: {}\n    operations: {o: {input_schema: {}}}\n")
    with pytest.raises(RegistryError) as caught:
        require([file], variables={})
    assert caught.value.message.startswith(f"{file}:3:5: SQJ101 ")
    assert [found.code for found in caught.value.findings] == ["SQJ101"]
    file.write_text("services: {s: {operations: {o: {input_schema: {}}}}}")
    assert require([file], variables={}).service("S") is not None
