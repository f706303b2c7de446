"""The rules that a registry is held to: one stable code each. `SQJ0xx` YAML, `1xx` structure, `2xx` references,
`3xx` reliability, `4xx` security, `5xx` per execution type, `6xx` SpecQL entities, `7xx` compatibility,
`9xx` online. `page_texts/` explains each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from .model import Finding, Position, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its code never changes its meaning; `help` is what to do about a finding."""

    code: str
    name: str
    severity: Severity
    help: str


_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

_RULES: Final = (
    Rule("SQJ001", "yaml-syntax", _ERROR, "mend the YAML at this place; text with : # { or @ needs quotes"),
    Rule("SQJ002", "duplicate-key", _ERROR, "keep one of the two keys"),
    Rule("SQJ003", "key-not-text", _ERROR, "write the key as a word, or put it in quotes"),
    Rule("SQJ004", "yaml-tag", _ERROR, "remove the tag; a registry holds plain values only"),
    Rule("SQJ005", "too-large", _ERROR, "split the registry into several files, or remove the expanding aliases"),
    Rule("SQJ006", "bad-character", _ERROR, "save the file as UTF-8 text, with spaces for indentation"),
    Rule("SQJ007", "several-documents", _ERROR, "keep one document in each file"),
    Rule("SQJ008", "unset-variable", _ERROR, "set the variable, or give a default: ${NAME:-default}"),
    Rule("SQJ009", "bad-variable", _ERROR, "write ${NAME} or ${NAME:-default}; a literal ${ is written $${"),
    Rule("SQJ010", "unknown-alias", _ERROR, "an alias names an anchor that stands above it and is not around it"),
    Rule("SQJ011", "byte-order-mark", _INFO, "save the file as UTF-8 without a byte-order mark"),
    Rule("SQJ012", "looks-boolean", _WARNING, "put the word in quotes; where a switch is meant, write true or false"),
    Rule("SQJ013", "looks-number", _WARNING, "put it in quotes, or write the number in decimal digits"),
    Rule("SQJ014", "unused-anchor", _WARNING, "remove the anchor, or use it: *name"),
    Rule("SQJ015", "anchor-redefined", _WARNING, "give the second anchor a name of its own"),
    Rule("SQJ016", "bad-merge", _ERROR, "`<<` takes an alias of a mapping, or a list of such aliases"),
    Rule("SQJ090", "unused-suppression", _WARNING, "remove the comment: nothing is left to suppress here"),
    Rule("SQJ091", "unknown-suppression", _WARNING, "name a rule's code; specql-jobs explain --all lists them"),
    Rule("SQJ092", "suppression-without-reason", _INFO, "say why, after the bracket: the next reader will ask"),
    Rule("SQJ093", "suppressed-error", _WARNING, "mend the error: only warnings and notes can be suppressed"),
    Rule("SQJ094", "malformed-suppression", _WARNING, "write  # specql-jobs: ignore[SQJ301] reason"),
    Rule("SQJ101", "unknown-key", _ERROR, "correct the key or remove it; docs/registry-keys.md has them all"),
    Rule("SQJ102", "wrong-type", _ERROR, "write the kind of value that is wanted; docs/registry-keys.md has every key"),
    Rule("SQJ103", "missing-key", _ERROR, "add the key; docs/registry-keys.md has an example of each type"),
    Rule("SQJ104", "bad-value", _ERROR, "write what is wanted; docs/registry-keys.md has every key"),
    Rule("SQJ105", "bad-unit", _ERROR, "write sizes as 512MB or 1GiB and durations as 30s, 5m or 1h"),
    Rule("SQJ106", "no-services", _ERROR, "add a service under `services:`; specql-jobs init writes examples"),
    Rule("SQJ107", "duplicate-name", _ERROR, "names are compared without regard to case; rename one of the two"),
    Rule("SQJ108", "defined-twice", _ERROR, "a service is defined in one file; use an environment to change it"),
    Rule("SQJ109", "stated-twice", _ERROR, "keep one of the two spellings"),
    Rule("SQJ110", "missing-category", _WARNING, "SpecQL wants `category` for each service in the list form"),
    Rule("SQJ111", "bad-schema", _ERROR, "write field: type pairs, or a valid JSON Schema (draft 2020-12)"),
    Rule("SQJ112", "no-input-schema", _WARNING, "declare the input; `input_schema: {}` means that there is none"),
    Rule("SQJ113", "unknown-schema-keyword", _WARNING, "JSON Schema ignores keywords it does not know; correct it"),
    Rule("SQJ114", "impossible-required", _ERROR, "declare the field under properties, or do not require it"),
    Rule("SQJ115", "impossible-bounds", _ERROR, "swap the two bounds: as they stand no value fits"),
    Rule("SQJ120", "bad-cron", _ERROR, "write minute, hour, day of month, month and day of week, as in 0 3 * * *"),
    Rule("SQJ121", "unknown-time-zone", _ERROR, "write a name of the IANA database, such as Europe/Berlin, or UTC"),
    Rule("SQJ122", "schedule-never-fires", _ERROR, "correct the day or the month: no year has such a day"),
    Rule("SQJ123", "schedule-input", _ERROR, "give the schedule the input that the operation's input_schema wants"),
    Rule("SQJ201", "undeclared-placeholder", _ERROR, "declare the field in input_schema, or write {{ for a brace"),
    Rule("SQJ202", "unused-input", _WARNING, "use the field in the request or payload, or remove it from input_schema"),
    Rule("SQJ203", "output-unreachable", _WARNING, "remove output_schema: there is no answer to hold it against"),
    Rule("SQJ204", "no-way-to-run", _WARNING, "give the operation argv, or declare the input field `command`"),
    Rule("SQJ205", "overlay-misspelt", _WARNING, "correct the name, so that the environment changes what it means to"),
    Rule("SQJ206", "optional-placeholder", _WARNING, "make the field required, or leave it out of the template"),
    Rule("SQJ207", "stray-brace", _WARNING, "write {field}, with no space inside, or {{ for the brace itself"),
    Rule("SQJ301", "timeout-above-limit", _WARNING, "raise max_execution_time, or lower the timeout"),
    Rule("SQJ302", "retry-not-idempotent", _INFO, "see that the target honours Idempotency-Key, or set max_retries: 0"),
    Rule("SQJ303", "backoff-cap-below-start", _WARNING, "raise max_seconds, or lower base_seconds"),
    Rule("SQJ304", "backoff-outlives-timeout", _WARNING, "lower max_seconds or backoff_factor, or retry less often"),
    Rule("SQJ305", "many-retries", _WARNING, "retry a few times; a job that still fails waits for `retry` by a person"),
    Rule("SQJ306", "no-timeout", _INFO, "state runner_config.timeout, or a timeout for each operation"),
    Rule("SQJ307", "no-resource-limits", _INFO, "state security_policy.resource_limits if the defaults do not fit"),
    Rule("SQJ308", "pointless-retry-status", _WARNING, "keep statuses that pass by themselves: 408, 429, 500, 503 …"),
    Rule("SQJ309", "cpu-limit-unreachable", _INFO, "lower cpu_seconds below timeout × cpu_cores, or leave it out"),
    Rule("SQJ310", "disk-above-memory", _INFO, "raise memory_mb above disk_mb: scratch space counts as memory"),
    Rule("SQJ311", "deadline-below-timeout", _WARNING, "raise the deadline above the timeout, or lower the timeout"),
    Rule("SQJ312", "deadline-before-retries", _WARNING, "raise the deadline, or retry less often and sooner"),
    Rule("SQJ320", "schedule-at-clock-change", _INFO, "choose another time of day, or timezone: UTC, if that matters"),
    Rule(
        "SQJ321", "schedule-may-pile-up", _INFO, "state overlap: skip, so that slow jobs do not queue behind each other"
    ),
    Rule("SQJ401", "interpreter-allowed", _WARNING, "allow the one script or program instead; this runs any code"),
    Rule("SQJ402", "unpinned-image", _WARNING, "pin the image by digest: name@sha256:…"),
    Rule("SQJ403", "outside-policy", _WARNING, "list it in security_policy, or every job of this service is refused"),
    Rule("SQJ404", "open-network", _WARNING, "allow no network, or localhost; `all` reaches everything this host can"),
    Rule("SQJ405", "no-sandbox", _WARNING, "remove `sandbox: none`; the process runs with all the worker's rights"),
    Rule("SQJ406", "tls-not-verified", _WARNING, "remove `verify: false`, or name the authority with ca_file"),
    Rule("SQJ407", "secret-in-clear", _WARNING, "keep it out of the file, and change it: use *_env_var or *_file keys"),
    Rule("SQJ408", "secret-interpolated", _WARNING, "name it with a *_env_var or *_file key, read when a job needs it"),
    Rule("SQJ409", "wide-domain", _WARNING, "name the hosts, or *.your-company.example"),
    Rule("SQJ410", "container-engine-socket", _WARNING, "remove it: whoever reaches the engine is root on the host"),
    Rule("SQJ411", "wide-path", _WARNING, "name the folder that is needed, and nothing above it"),
    Rule(
        "SQJ412",
        "root-user",
        _WARNING,
        "name another user, such as 65534:65534: jobs that would run as root are refused",
    ),
    Rule("SQJ413", "writable-container", _WARNING, "remove `read_only: false`; add a tmpfs where files are written"),
    Rule("SQJ414", "dangerous-variable", _WARNING, "remove it: a job's input may never set this variable"),
    Rule("SQJ415", "writable-program", _WARNING, "keep programs apart from folders that jobs write to"),
    Rule("SQJ416", "program-from-input", _WARNING, "write the program as it is, and an operation for each program"),
    Rule("SQJ417", "private-and-wildcard", _WARNING, "name the hosts, or leave allow_private_networks at false"),
    Rule("SQJ418", "credential-over-http", _WARNING, "use https: whoever listens reads the credential"),
    Rule("SQJ419", "shared-temporary-folder", _WARNING, "use a folder that only the worker's user may write to"),
    Rule("SQJ420", "input-as-code", _WARNING, "run a script file and hand it the value as an argument of its own"),
    Rule(
        "SQJ421", "wider-than-ceiling", _WARNING, "state no more than the host allows, or have its policy file changed"
    ),
    Rule("SQJ422", "path-climbs", _WARNING, "write the path that is meant, without .."),
    Rule("SQJ501", "no-base-url", _INFO, "add runner_config.base_url, or have jobs name an endpoint themselves"),
    Rule("SQJ502", "plain-http", _WARNING, "use https, or set allow_http: true if the network is trusted"),
    Rule("SQJ503", "auth-incomplete", _ERROR, "name the credential with a *_env_var or *_file key under auth_config"),
    Rule("SQJ504", "private-address", _WARNING, "set allow_private_networks: true if its jobs may reach it"),
    Rule(
        "SQJ505",
        "forbidden-address",
        _ERROR,
        "use another address: no policy opens this one to jobs",
    ),
    Rule("SQJ506", "command-not-found", _INFO, "install it on the hosts that run this service, or correct the path"),
    Rule("SQJ507", "floating-tag", _WARNING, "pin the image by digest: name@sha256:…; a version tag is the least"),
    Rule("SQJ508", "digest-required", _WARNING, "pin the image by digest, or every job of this service is refused"),
    Rule("SQJ509", "too-many-volumes", _WARNING, "raise max_volumes, or mount less"),
    Rule("SQJ510", "volume-twice", _ERROR, "give each volume a container_path of its own"),
    Rule("SQJ511", "no-cost-limit", _WARNING, "state cost_limits: {max_invocations_per_hour: …, max_cost_per_hour: …}"),
    Rule("SQJ512", "memory-above-limit", _WARNING, "raise resource_limits.memory_mb, or lower memory_mb"),
    Rule("SQJ513", "timeout-above-provider", _WARNING, "lower the timeout: the provider ends the function earlier"),
    Rule("SQJ514", "body-not-expected", _WARNING, "use POST, PUT or PATCH, or send the fields in `query`"),
    Rule("SQJ515", "header-not-yours", _ERROR, "remove the header: the runner writes it itself"),
    Rule("SQJ516", "ports-unreachable", _WARNING, "set network_access: localhost, or remove localhost_ports"),
    Rule("SQJ517", "paths-unreachable", _WARNING, "set file_access to read or read_write, or remove the paths"),
    Rule("SQJ518", "wildcard-without-meaning", _WARNING, "name each one; only *.domain and image:* are patterns"),
    Rule("SQJ530", "function-incomplete", _WARNING, "add the key; docs/serverless.md has an example of each provider"),
    Rule("SQJ531", "key-of-another-provider", _ERROR, "remove the key: this provider has no use for it"),
    Rule("SQJ532", "function-contradicts", _ERROR, "keep one of the two; an ARN says region, account and version"),
    Rule("SQJ540", "batch-incomplete", _ERROR, "add the key; docs/docker.md has an example with engine: aws_batch"),
    Rule("SQJ541", "key-of-another-engine", _ERROR, "remove the key: this engine has no use for it"),
    Rule("SQJ542", "batch-contradicts", _ERROR, "keep one of the two; an ARN says its region"),
    Rule("SQJ543", "batch-cannot-hold", _ERROR, "remove it, or use engine: local, which holds it"),
    Rule("SQJ601", "entity-unreadable", _ERROR, "write entity: NAME, fields: {name: type}, actions: a list or mapping"),
    Rule(
        "SQJ602", "call-unreadable", _ERROR, "name a service and an operation: call_service: {service: …, operation: …}"
    ),
    Rule("SQJ603", "unknown-call-key", _ERROR, "correct the key or remove it; docs/entities.md has them all"),
    Rule("SQJ604", "bad-call-value", _ERROR, "write what is wanted; docs/entities.md has every key"),
    Rule(
        "SQJ605", "callback-unreadable", _ERROR, "write a list of steps, such as  - update: Order SET status = 'paid'"
    ),
    Rule("SQJ606", "unknown-step", _ERROR, "correct the step's first key"),
    Rule("SQJ611", "unknown-service", _ERROR, "correct the name, or add the service to the registry"),
    Rule("SQJ612", "unknown-operation", _ERROR, "correct the name, or add the operation to the registry"),
    Rule("SQJ613", "undeclared-input", _ERROR, "correct the field or remove it, or declare it in input_schema"),
    Rule("SQJ614", "missing-input", _ERROR, "add the field, or make it optional in input_schema"),
    Rule("SQJ615", "input-does-not-fit", _ERROR, "write a value that input_schema takes"),
    Rule("SQJ616", "input-of-other-type", _ERROR, "send another field, or convert this one in an expression"),
    Rule("SQJ617", "input-may-not-fit", _WARNING, "see that only fitting values are sent, or widen input_schema"),
    Rule("SQJ618", "credential-in-input", _WARNING, "keep it out of rows: let the registry name it with *_env_var"),
    Rule("SQJ621", "unknown-field", _ERROR, "correct the field, or declare it"),
    Rule("SQJ622", "unknown-variable", _ERROR, "refer to $entity, $input, or what a step calls `as: NAME`"),
    Rule("SQJ623", "undeclared-output", _WARNING, "correct the field, or declare it in output_schema"),
    Rule(
        "SQJ624",
        "reference-in-text",
        _WARNING,
        "write the reference alone, or an expression: \"'Order ' || $order.number\"",
    ),
    Rule("SQJ631", "call-timeout-above-limit", _WARNING, "lower the step's timeout, or raise max_execution_time"),
    Rule("SQJ632", "call-timeout-above-own", _INFO, "lower the step's timeout, unless this call really needs longer"),
    Rule(
        "SQJ633",
        "call-retry-not-idempotent",
        _INFO,
        "see that the target honours Idempotency-Key, or set max_retries: 0",
    ),
    Rule("SQJ641", "callback-field-unknown", _WARNING, "correct the field, or declare it under `fields`"),
    Rule("SQJ642", "callback-value-unknown", _WARNING, "correct the value, or add it to the field's enum"),
    Rule("SQJ643", "callback-name-cut", _WARNING, "shorten the names: PostgreSQL cuts function names at 63 bytes"),
    Rule(
        "SQJ644",
        "callback-stated-twice",
        _WARNING,
        "let both say the same: one function serves all calls of an operation",
    ),
    # Found only by `compile`: what an entity may say, and what has no SQL here.
    Rule("SQJ651", "step-not-compiled", _ERROR, "write validate, insert, update, delete or call_service steps"),
    Rule("SQJ652", "expression-not-compiled", _ERROR, "write an expression of fields, references, literals, functions"),
    Rule("SQJ653", "value-not-storable", _ERROR, "take the character away, or shorten the name to 63 bytes"),
    Rule("SQJ654", "call-cannot-wait", _WARNING, "let the caller wait after its commit: specql-jobs wait ID"),
    Rule("SQJ655", "function-stated-twice", _ERROR, "give one of the actions another name, or another schema"),
    Rule("SQJ656", "rows-not-known", _ERROR, "say which rows: WHERE condition; name the files of all entities"),
    Rule("SQJ701", "name-not-sql", _INFO, "use letters, digits and _, so that callbacks need no quotes"),
    Rule("SQJ702", "callback-name-too-long", _INFO, "shorten the names: PostgreSQL cuts function names at 63 bytes"),
    # Against another version of the registry: an error is a breaking change, a warning a risky one, an info a safe one.
    Rule("SQJ703", "operation-removed", _ERROR, "keep the operation until no job and no caller names it"),
    Rule("SQJ704", "service-removed", _ERROR, "keep the service until no job and no caller names it"),
    Rule("SQJ705", "operation-renamed", _ERROR, "keep the old operation beside the new one until nobody names it"),
    Rule("SQJ706", "service-renamed", _ERROR, "keep the old service beside the new one until nobody names it"),
    Rule("SQJ707", "execution-type-changed", _ERROR, "give the new way to run it a service of its own"),
    Rule("SQJ708", "input-narrowed", _ERROR, "take what was taken: make a new field optional, or add an operation"),
    Rule("SQJ709", "output-widened", _ERROR, "keep what callers count on, or add an operation with the new output"),
    Rule("SQJ710", "input-changed", _WARNING, "try inputs of queued jobs: replay ID -n, or validate --against-queue"),
    Rule("SQJ711", "output-changed", _WARNING, "see that the target answers so already, and that callers can read it"),
    Rule("SQJ712", "output-narrowed", _WARNING, "see that the target answers so already: else its jobs fail"),
    Rule(
        "SQJ713", "target-changed", _WARNING, "see that the new target knows every operation; queued jobs go to it too"
    ),
    Rule("SQJ714", "config-changed", _WARNING, "try it first: specql-jobs run SERVICE.OPERATION --dry-run"),
    Rule("SQJ715", "call-changed", _WARNING, "see that the target takes the new call; queued jobs are sent so too"),
    Rule("SQJ716", "timeout-lowered", _WARNING, "see how long its jobs take before you lower it"),
    Rule("SQJ717", "retries-lowered", _WARNING, "see how often its jobs are retried before you lower it"),
    Rule("SQJ718", "policy-narrowed", _WARNING, "see that no job needs what was taken away: it would be refused"),
    Rule("SQJ719", "policy-widened", _WARNING, "have somebody look who answers for what jobs may touch"),
    Rule("SQJ720", "service-added", _INFO, "nothing to do: nobody can have called it"),
    Rule("SQJ721", "operation-added", _INFO, "nothing to do: nobody can have called it"),
    Rule("SQJ722", "input-widened", _INFO, "nothing to do: what was taken is taken"),
    Rule("SQJ723", "timeout-raised", _INFO, "nothing to do, unless a slow target should be noticed sooner"),
    Rule("SQJ724", "retries-raised", _INFO, "nothing to do, unless the target is asked too often"),
    Rule("SQJ725", "limit-raised", _INFO, "nothing to do, unless this host is short of it"),
    Rule("SQJ726", "not-compared", _WARNING, "mend what keeps the two versions from being compared"),
    Rule("SQJ740", "schedule-removed", _WARNING, "see that nobody counts on the jobs that the clock made"),
    Rule(
        "SQJ741", "schedule-changed", _WARNING, "see that the new time and input are meant; past ticks do not run again"
    ),
    Rule("SQJ742", "schedule-added", _INFO, "nothing to do, unless its jobs come too often for the target"),
    # Against the jobs that are queued.
    Rule("SQJ730", "queued-service-unknown", _ERROR, "keep the service until its jobs are done, or cancel them"),
    Rule("SQJ731", "queued-operation-unknown", _ERROR, "keep the operation until its jobs are done, or cancel them"),
    Rule("SQJ732", "queued-input-refused", _ERROR, "take what the jobs hold, or cancel them"),
    Rule("SQJ733", "queued-row-refused", _ERROR, "allow what the rows ask for, or cancel the jobs"),
    Rule("SQJ734", "queued-type-differs", _WARNING, "see that the jobs may be executed this way"),
    Rule("SQJ735", "queued-type-without-worker", _WARNING, "start a worker on a host that executes this type"),
    Rule("SQJ901", "host-unknown", _ERROR, "correct the host's name, or have its name servers know it"),
    Rule("SQJ902", "host-refused", _ERROR, "name a host with public addresses, or allow_private_networks: true"),
    Rule("SQJ903", "secret-not-there", _ERROR, "set the variable, or write the file, where the worker runs"),
    Rule("SQJ904", "image-not-there", _ERROR, "push the image, or correct its name, tag or digest"),
    Rule("SQJ905", "function-not-there", _ERROR, "deploy the function, or correct its name, qualifier or region"),
)

RULES: Final = {rule.code: rule for rule in _RULES}
#: Codes by the rule's word, such as `operation-removed`.
CODES: Final = {rule.name: rule.code for rule in _RULES}
#: Found only by comparing with another version, or with the queue: the registry itself can be used, so that a comment
#: may accept even what is an error.
COMPARED: Final = frozenset(code for code in RULES if code > "SQJ702")


def finding(code: str, message: str, position: Position, *, service: str = "", operation: str = "") -> Finding:
    """Return the finding of rule `code` with its name, severity and help."""
    rule = RULES[code]
    return Finding(code, rule.name, rule.severity, message, position, service, operation, rule.help)


def helped(found: Finding, help_text: str) -> Finding:
    """Return the finding with a help of its own, if there is one, instead of its rule's."""
    return replace(found, help=help_text) if help_text else found
