"""Mistakes that people make in their first hour: one finding each, at the token, whose words alone mend it."""

from __future__ import annotations

from typing import Final

import pytest
from support.tree import ROOT

from specql_jobs.core.registry.load import load_text
from specql_jobs.core.registry.model import Finding

#: What `init` writes: a service of each execution type.
BEGUN: Final = (ROOT / "schemas" / "init.services.yaml").read_text("utf-8")
IMAGE: Final = '      image: "registry.example.com/model@sha256:' + "0" * 64 + '"\n'


def found(before: str, after: str) -> tuple[str, list[Finding]]:
    """The text with one mistake, and what is found in it beyond notes."""
    assert before in BEGUN
    text = BEGUN.replace(before, after, 1)
    findings = load_text(text, "f", variables={}).findings
    return text, [each for each in findings if each.severity != "info"]


def pointed(text: str, finding: Finding) -> str:
    at = finding.position
    return text.splitlines()[at.line - 1][at.column - 1 : at.end_column - 1 if at.end_line == at.line else None]


#: What stands in the file, the mistake, its code, the token, and words of the message or its help.
MISTAKES: Final = [
    ("execution_type: shell", "executon_type: shell", "SQJ101", "executon_type", "did you mean `execution_type`"),
    ("    execution_type: shell\n", "", "SQJ101", "allowed_commands", "state execution_type: shell"),
    ("    execution_type: docker\n", "", "SQJ101", "image", "state execution_type: docker"),
    ("    execution_type: serverless\n", "", "SQJ101", "provider", "state execution_type: serverless"),
    ("    operations:\n", "    operation:\n", "SQJ101", "operation", "did you mean `operations`"),
    ("      count_words:\n", "      - count_words:\n", "SQJ103", "count_words", "write - name: count_words"),
    (
        "      timeout: 30s\n",
        "      resource_limits: {}\n",
        "SQJ101",
        "resource_limits",
        "belongs under security_policy",
    ),
    ("      timeout: 30s\n", "      max_retries: 1\n", "SQJ101", "max_retries", "runner_config.retry_config or an op"),
    ("token_env_var: EXAMPLE_API_TOKEN", "token: abc", "SQJ101", "token", "write token_env_var: ITS_NAME"),
    ("EXAMPLE_API_TOKEN", "sk_live_51HabcdefghijklmnopQRSTUV", "SQJ407", "sk_live_51HabcdefghijklmnopQRSTUV", "wants"),
    ('"https://api.example.com/v1"', '"https://api.example.com/v1', "SQJ001", '"', "ends in line 31"),
    ("timeout: 5m", "timeout 5m", "SQJ001", "t", "colon and an ordinary space"),
    ("timeout: 5m", "timeout:\u00a05m", "SQJ001", "t", "colon and an ordinary space"),
    ('"-w"', '"\\w"', "SQJ001", "\\", "write \\\\ for a backslash"),
    ("[/usr/bin/wc]", "[/usr/bin/wc", "SQJ001", ":", "close the bracket"),
    ("category: example", "category: a: b", "SQJ001", ":", "put a text with a colon in quotes"),
    ("require_digest: true", "require_digest: yes", "SQJ102", "yes", "write true or false"),
    ("max_concurrency: 10", "max_concurrency: 1.5", "SQJ102", "1.5", "write a whole number"),
    ("category: example", "category: #1", "SQJ102", "", "begins with # needs quotes"),
    ("memory: 128MB", "memory: 134217728", "SQJ104", "134217728", "a number alone counts mebibytes"),
    (IMAGE, f"{IMAGE}      volumes: [/a:/b]\n", "SQJ102", "/a:/b", "{host_path: /srv/models, container_path: /models"),
    ('"{file}"', '"{fil}"', "SQJ201", "{fil}", "did you mean {file}?"),
    ("/{customer}/", "/{custmer}/", "SQJ201", "{custmer}", "did you mean {customer}?"),
    ('"{file}"', '"${file}"', "SQJ008", "${file}", "write {file} without $"),
    ('"{file}"', '"{{file}}"', "SQJ207", "{{file}}", "write {file}"),
    ('"{file}"', '"$file"', "SQJ207", "$file", "write {file}"),
    ("[api.example.com]", "[api.exmaple.com]", "SQJ403", '"https://api.example.com/v1"', "has 'api.exmaple.com'"),
    ("region: eu-central-1", "region: eu-central1", "SQJ403", "eu-central1", "has 'eu-central-1'"),
    ("https://api", "http://api", "SQJ502", '"http://api.example.com/v1"', "use https"),
]


@pytest.mark.parametrize(("before", "after", "code", "token", "words"), MISTAKES)
def test_a_usual_mistake_is_one_finding_that_mends_it(
    before: str, after: str, code: str, token: str, words: str
) -> None:
    """One mistake is one finding at its token, which says what to write instead."""
    text, findings = found(before, after)
    assert [each.code for each in findings] == [code], findings
    assert pointed(text, findings[0]) == token
    assert words in f"{findings[0].message} {findings[0].help}"


def test_a_registry_without_services_at_its_top_is_one_finding() -> None:
    """Services that stand at the top of the file are found once, with the line that is missing."""
    text = "pay: {operations: {}}\nscore: {execution_type: docker}\nversion: 1\n"
    findings = load_text(text, "f", variables={}).findings
    assert [(each.code, each.position.line) for each in findings] == [("SQJ101", 1)]
    assert "write `services:` above" in findings[0].help


@pytest.mark.parametrize("name", ["document", "invoice"])
def test_an_entity_given_as_a_registry_is_told_so(name: str) -> None:
    """An entity is one finding as a registry: which option reads it."""
    path = ROOT / "tests" / "fixtures" / "entities" / f"{name}.yaml"
    (finding,) = load_text(path.read_text("utf-8"), "f", variables={}).findings
    assert (finding.code, "check it with --entities" in finding.help) == ("SQJ101", True)


def test_the_engine_socket_is_not_to_be_listed() -> None:
    """A volume of the container engine's socket is to be removed: no finding says to allow it."""
    volume = "      volumes: [{host_path: /var/run/docker.sock, container_path: /s, mode: rw}]\n"
    _, findings = found(IMAGE, IMAGE + volume)
    assert [each.code for each in findings] == ["SQJ410"]


def test_an_address_that_no_policy_opens_is_judged_once() -> None:
    """What else is wrong with a forbidden address does not matter."""
    _, findings = found("https://api.example.com/v1", "http://169.254.169.254/v1")
    assert [each.code for each in findings if each.code != "SQJ403"] == ["SQJ505"]


def test_a_field_in_another_language_is_no_alarm_inside_its_text() -> None:
    """GraphQL names fields with $ and braces; only a text that is nothing else was meant as a placeholder."""
    query = 'body: {query: "query($customer: ID!) {{ orders(of: $customer) {{customer}} }}", amount: "{amount}"}'
    _, findings = found("body: json", query)
    assert "SQJ207" not in [each.code for each in findings]


def test_keys_of_several_types_tell_nothing() -> None:
    """Where a service has keys of http too, no execution type is guessed."""
    text = "services: {s: {runner_config: {base_url: 'https://a.com', image: x}, operations: {o: {input_schema: {}}}}}"
    (finding,) = [each for each in load_text(text, "f", variables={}).findings if each.severity == "error"]
    assert "belongs to docker services" in finding.message
    assert "execution_type" not in finding.help
