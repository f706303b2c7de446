# fish completion for specql-jobs. Generated from its commands: `specql-jobs completions fish` prints this file.
# Names of services, operations and jobs come from a small file that earlier commands wrote; no database is asked.

function __specql_jobs_below
    switch $argv[1]
        case ''
            string split ' ' 'init validate services policy run replay compile explain schema demo enqueue list count errors show logs tail wait top stats schedules report retry cancel discard changes pause resume breaker rescue worker db audit doctor config help man completions version'
        case 'services'
            string split ' ' 'list show diff'
        case 'policy'
            string split ' ' 'explain'
        case 'schema'
            string split ' ' 'list show'
        case 'demo'
            string split ' ' 'play incident'
        case 'schedules'
            string split ' ' 'list'
        case 'changes'
            string split ' ' 'list show resume'
        case 'breaker'
            string split ' ' 'list reset'
        case 'worker'
            string split ' ' 'start list drain'
        case 'db'
            string split ' ' 'init migrate status prune callbacks'
        case 'db callbacks'
            string split ' ' 'list register remove discover retry limit'
        case 'audit'
            string split ' ' 'list verify'
        case 'config'
            string split ' ' 'show'
    end
end

# The words of the command so far: db status
function __specql_jobs_path
    set -l path
    for word in (commandline -opc)[2..]
        contains -- $word (__specql_jobs_below "$path"); or break
        set path $path $word
    end
    echo "$path"
end

# Whether the command is one of these.
function __specql_jobs_in
    contains -- (__specql_jobs_path) $argv
end

# Whether the command is this one and nothing follows it yet.
function __specql_jobs_at
    set -l words (commandline -opc)[2..]
    test "$words" = "$argv[1]"
end

function __specql_jobs_profile
    set -l words (commandline -opc)
    set -l at (contains -i -- --profile $words; or contains -i -- -p $words)
    if test -n "$at"
        echo $words[(math $at + 1)]
    else
        echo $SPECQL_JOBS_PROFILE
    end
end

# Remembered names of the kinds $argv[1], value and description.
function __specql_jobs_known
    set -l home $XDG_CACHE_HOME
    test -n "$home"; or set home $HOME/.cache
    set -l file $home/specql-jobs/names.tsv
    test -r $file; or return 0
    awk -F '\t' 'BEGIN { kinds = "," ARGV[1] ","; here = ARGV[2] "/"; profile = ARGV[3]; ARGV[1] = ARGV[2] = ARGV[3] = "" }
index(kinds, "," $1 ",") {
  line = $3 "\\t" $4
  all[++count] = line
  if ($2 == "" || profile == "" && substr($2, 1, 1) == "@" || $2 == "@" profile || index(here, $2 "/") == 1 ||
    index($2 "/", here) == 1) { near = near line "\\n" }
}
END { if (near != "") printf "%s", near; else for (i = 1; i <= count; i++) print all[i] }' $argv[1] $PWD (__specql_jobs_profile; or echo) $file 2>/dev/null
end

# The words $argv[1] and the remembered kinds $argv[2] as the next part of a list: a,b or !a
function __specql_jobs_list
    set -l before (commandline -ct | string replace -r '^--[a-z-]+=' '' | string match -r '^(?:.*,)?!?')
    printf "$before%s\n" (string split ' ' -n -- $argv[1])
    if test -n "$argv[2]"
        for line in (__specql_jobs_known $argv[2])
            printf '%s%s\n' $before $line
        end
    end
end

complete -c specql-jobs -f

complete -c specql-jobs -n '__specql_jobs_at ""' -a init -d 'Begin here: a registry with examples, a configuration, a CI workflow'
complete -c specql-jobs -n '__specql_jobs_at ""' -a validate -d 'Check service registries against schema and rules'
complete -c specql-jobs -n '__specql_jobs_at ""' -a services -d 'The registry as it holds: list, show, and diff of two versions'
complete -c specql-jobs -n '__specql_jobs_at ""' -a policy -d 'Explain each limit of a service: default, registry or host ceiling'
complete -c specql-jobs -n '__specql_jobs_at ""' -a run -d 'Execute one job here, without a database; -n prints the plan'
complete -c specql-jobs -n '__specql_jobs_at ""' -a replay -d 'The same with the input of a job in the queue, which is only read'
complete -c specql-jobs -n '__specql_jobs_at ""' -a compile -d 'SpecQL entities to SQL: actions, their jobs, the callbacks'
complete -c specql-jobs -n '__specql_jobs_at ""' -a explain -d 'Say why a rule or an error exists, and how to mend what it found'
complete -c specql-jobs -n '__specql_jobs_at ""' -a schema -d 'JSON Schemas: of the registry for editors, of every JSON document'
complete -c specql-jobs -n '__specql_jobs_at ""' -a demo -d 'See everything work on a private Postgres; practise being on call'
complete -c specql-jobs -n '__specql_jobs_at ""' -a enqueue -d 'Put jobs in the queue; --wait follows them to the end'
complete -c specql-jobs -n '__specql_jobs_at ""' -a list -d 'Select jobs'
complete -c specql-jobs -n '__specql_jobs_at ""' -a count -d 'How many jobs, in all or by status, service, tenant, hour, …'
complete -c specql-jobs -n '__specql_jobs_at ""' -a errors -d 'What fails: failures grouped by fingerprint, and what is new'
complete -c specql-jobs -n '__specql_jobs_at ""' -a show -d 'Everything about a job, and why it is where it is'
complete -c specql-jobs -n '__specql_jobs_at ""' -a logs -d 'Captured output of jobs, by attempt; -f follows'
complete -c specql-jobs -n '__specql_jobs_at ""' -a tail -d 'The latest events of many jobs; -f follows, --logs with their output'
complete -c specql-jobs -n '__specql_jobs_at ""' -a wait -d 'Wait until jobs have ended: 0 all completed, 1 some did not, 8 time is up'
complete -c specql-jobs -n '__specql_jobs_at ""' -a top -d 'The queue on the whole screen, with keys to pause, retry and cancel'
complete -c specql-jobs -n '__specql_jobs_at ""' -a stats -d 'Numbers by service, type, tenant or worker: waiting, done, failed, how long'
complete -c specql-jobs -n '__specql_jobs_at ""' -a schedules -d 'Jobs that the clock makes: next and last ticks, the last job'
complete -c specql-jobs -n '__specql_jobs_at ""' -a report -d 'What happened in a time window, as one page with plots'
complete -c specql-jobs -n '__specql_jobs_at ""' -a retry -d 'Run failed or cancelled jobs again: same row, same id'
complete -c specql-jobs -n '__specql_jobs_at ""' -a cancel -d 'Stop pending or running jobs, keep their record'
complete -c specql-jobs -n '__specql_jobs_at ""' -a discard -d 'Give failed jobs up, keep their record as cancelled'
complete -c specql-jobs -n '__specql_jobs_at ""' -a changes -d 'The ledger of changes: who, why, what came of it; resume'
complete -c specql-jobs -n '__specql_jobs_at ""' -a pause -d 'Stop dispatch of a service, operation, type, tenant, or of everything'
complete -c specql-jobs -n '__specql_jobs_at ""' -a resume -d 'Dispatch again what was paused'
complete -c specql-jobs -n '__specql_jobs_at ""' -a breaker -d 'Circuit breakers: which targets are not called now; reset'
complete -c specql-jobs -n '__specql_jobs_at ""' -a rescue -d 'Give the jobs of lost workers back now'
complete -c specql-jobs -n '__specql_jobs_at ""' -a worker -d 'Claim jobs and execute them under policy; list and drain workers'
complete -c specql-jobs -n '__specql_jobs_at ""' -a db -d 'Create, migrate and inspect the schema jobs'
complete -c specql-jobs -n '__specql_jobs_at ""' -a audit -d 'What was executed and refused; verify finds tampering with the record'
complete -c specql-jobs -n '__specql_jobs_at ""' -a doctor -d 'What this host can really enforce, and how to fix what it cannot'
complete -c specql-jobs -n '__specql_jobs_at ""' -a config -d 'Every setting that holds here, and which flag, variable or file decided it'
complete -c specql-jobs -n '__specql_jobs_at ""' -a help -d 'A topic (exit-codes, output, selectors, time), or a command\'s own help'
complete -c specql-jobs -n '__specql_jobs_at ""' -a man -d 'The manual: of the program, of a command, of the registry\'s keys'
complete -c specql-jobs -n '__specql_jobs_at ""' -a completions -d 'The completion script for bash, zsh or fish'
complete -c specql-jobs -n '__specql_jobs_at ""' -a version -d 'Versions of specql-jobs and what it runs on'
complete -c specql-jobs -n '__specql_jobs_at "services"' -a list -d 'List the services of the registry'
complete -c specql-jobs -n '__specql_jobs_at "services"' -a show -d 'Show every value of a service and where it is from'
complete -c specql-jobs -n '__specql_jobs_at "services"' -a diff -d 'Say what changed: breaking, risky or safe'
complete -c specql-jobs -n '__specql_jobs_at "policy"' -a explain -d 'Explain each limit of a service'
complete -c specql-jobs -n '__specql_jobs_at "schema"' -a list -d 'List the schemas that this version brings: of the registry, and of what each command answers with -o json'
complete -c specql-jobs -n '__specql_jobs_at "schema"' -a show -d 'Print a schema as it is'
complete -c specql-jobs -n '__specql_jobs_at "demo"' -a play -d 'Run jobs that succeed, retry, are refused and time out, on a PostgreSQL and a server of the demo\'s own'
complete -c specql-jobs -n '__specql_jobs_at "demo"' -a incident -d 'Make a real incident on a private PostgreSQL, and leave it to you to resolve with this command line'
complete -c specql-jobs -n '__specql_jobs_at "schedules"' -a list -d 'List all schedules with their next and last ticks and the last job; times are in UTC'
complete -c specql-jobs -n '__specql_jobs_at "changes"' -a list -d 'List changes, newest first'
complete -c specql-jobs -n '__specql_jobs_at "changes"' -a show -d 'Show one change: who, why, which selection, its outcomes, how far it is, and what its jobs are now'
complete -c specql-jobs -n '__specql_jobs_at "changes"' -a resume -d 'Go on with a change that was cut short: exactly its jobs, with its reason, rate and canary'
complete -c specql-jobs -n '__specql_jobs_at "breaker"' -a list -d 'List the services whose target failed lately; a service that is not listed has a closed breaker'
complete -c specql-jobs -n '__specql_jobs_at "breaker"' -a reset -d 'Close a breaker now: the service\'s jobs are dispatched again, all of them'
complete -c specql-jobs -n '__specql_jobs_at "worker"' -a start -d 'Run a worker'
complete -c specql-jobs -n '__specql_jobs_at "worker"' -a list -d 'List the workers of all hosts: state, heartbeat, what each runs'
complete -c specql-jobs -n '__specql_jobs_at "worker"' -a drain -d 'Ask workers to finish what they run and end, as SIGTERM does; they hear of it within a second or two'
complete -c specql-jobs -n '__specql_jobs_at "db"' -a init -d 'Create the schema jobs; the same as `db migrate`'
complete -c specql-jobs -n '__specql_jobs_at "db"' -a migrate -d 'Apply pending migrations, keep every row'
complete -c specql-jobs -n '__specql_jobs_at "db"' -a status -d 'Say how schema and queue are doing, and what hinders them'
complete -c specql-jobs -n '__specql_jobs_at "db"' -a prune -d 'Delete ended jobs that are older than stated'
complete -c specql-jobs -n '__specql_jobs_at "db"' -a callbacks -d 'Functions that are called with the results of jobs'
complete -c specql-jobs -n '__specql_jobs_at "db callbacks"' -a list -d 'List what is registered, and what waits'
complete -c specql-jobs -n '__specql_jobs_at "db callbacks"' -a register -d 'Have a function called with results'
complete -c specql-jobs -n '__specql_jobs_at "db callbacks"' -a remove -d 'Have nothing called any more'
complete -c specql-jobs -n '__specql_jobs_at "db callbacks"' -a discover -d 'Register what SpecQL made for entities'
complete -c specql-jobs -n '__specql_jobs_at "db callbacks"' -a retry -d 'Call the failed callback of a job again'
complete -c specql-jobs -n '__specql_jobs_at "db callbacks"' -a limit -d 'Limit rights and time of callbacks'
complete -c specql-jobs -n '__specql_jobs_at "audit"' -a list -d 'List what was executed and refused, newest first: one line for each attempt of a job'
complete -c specql-jobs -n '__specql_jobs_at "audit"' -a verify -d 'Check the audit trail link by link; exit 1 names the first link of each chain that does not hold'
complete -c specql-jobs -n '__specql_jobs_at "config"' -a show -d 'Show every setting as a command called here would have it'
complete -c specql-jobs -n '__specql_jobs_in ""' -s h -l help -d 'List the commands; after a command, that command\'s help'
complete -c specql-jobs -n '__specql_jobs_in ""' -s V -l version -d 'Print the version'
complete -c specql-jobs -n '__specql_jobs_in "init" "services show" "services diff" "policy explain" "run" "replay" "compile" "schema show" "demo" "demo play" "demo incident" "enqueue" "show" "wait" "top" "report" "retry" "cancel" "discard" "changes show" "changes resume" "pause" "resume" "breaker reset" "rescue" "worker" "worker start" "worker drain" "db init" "db migrate" "db status" "db prune" "db callbacks list" "db callbacks register" "db callbacks remove" "db callbacks discover" "db callbacks retry" "db callbacks limit" "audit verify" "doctor" "config show" "help" "man" "completions" "version"' -s o -l output -x -a 'text json' -d 'text|json'
complete -c specql-jobs -n '__specql_jobs_in "init" "validate" "services list" "services show" "services diff" "policy explain" "run" "replay" "compile" "explain" "schema list" "schema show" "demo" "demo play" "demo incident" "enqueue" "list" "count" "errors" "show" "logs" "tail" "wait" "top" "stats" "schedules list" "report" "retry" "cancel" "discard" "changes list" "changes show" "changes resume" "pause" "resume" "breaker list" "breaker reset" "rescue" "worker" "worker start" "worker list" "worker drain" "db init" "db migrate" "db status" "db prune" "db callbacks list" "db callbacks register" "db callbacks remove" "db callbacks discover" "db callbacks retry" "db callbacks limit" "audit list" "audit verify" "doctor" "config show" "help" "man" "completions" "version"' -s q -l quiet -d 'Only the answer'
complete -c specql-jobs -n '__specql_jobs_in "init" "validate" "services list" "services show" "services diff" "policy explain" "run" "replay" "compile" "explain" "schema list" "schema show" "demo" "demo play" "demo incident" "enqueue" "list" "count" "errors" "show" "logs" "tail" "wait" "top" "stats" "schedules list" "report" "retry" "cancel" "discard" "changes list" "changes show" "changes resume" "pause" "resume" "breaker list" "breaker reset" "rescue" "worker" "worker start" "worker list" "worker drain" "db init" "db migrate" "db status" "db prune" "db callbacks list" "db callbacks register" "db callbacks remove" "db callbacks discover" "db callbacks retry" "db callbacks limit" "audit list" "audit verify" "doctor" "config show" "help" "man" "completions" "version"' -s v -l verbose -d 'More detail'
complete -c specql-jobs -n '__specql_jobs_in "init" "validate" "services list" "services show" "services diff" "policy explain" "run" "replay" "compile" "explain" "schema list" "schema show" "demo" "demo play" "demo incident" "enqueue" "list" "count" "errors" "show" "logs" "tail" "wait" "top" "stats" "schedules list" "report" "retry" "cancel" "discard" "changes list" "changes show" "changes resume" "pause" "resume" "breaker list" "breaker reset" "rescue" "worker" "worker start" "worker list" "worker drain" "db init" "db migrate" "db status" "db prune" "db callbacks list" "db callbacks register" "db callbacks remove" "db callbacks discover" "db callbacks retry" "db callbacks limit" "audit list" "audit verify" "doctor" "config show" "help" "man" "completions" "version"' -l color -x -a 'auto always never' -d 'When to use colour'
complete -c specql-jobs -n '__specql_jobs_in "init"' -l ci -x -a 'github none' -d 'The workflow that checks the registry in pull requests'
complete -c specql-jobs -n '__specql_jobs_in "init" "validate" "services" "services list" "services show" "services diff" "policy" "policy explain" "run" "replay" "compile" "explain" "schema" "schema list" "schema show" "demo" "demo play" "demo incident" "enqueue" "list" "count" "errors" "show" "logs" "tail" "wait" "top" "stats" "schedules" "schedules list" "report" "retry" "cancel" "discard" "changes" "changes list" "changes show" "changes resume" "pause" "resume" "breaker" "breaker list" "breaker reset" "rescue" "worker" "worker start" "worker list" "worker drain" "db" "db init" "db migrate" "db status" "db prune" "db callbacks" "db callbacks list" "db callbacks register" "db callbacks remove" "db callbacks discover" "db callbacks retry" "db callbacks limit" "audit" "audit list" "audit verify" "doctor" "config" "config show" "help" "man" "completions" "version"' -s h -l help -d 'Show this command\'s help'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -s o -l output -x -a 'text json github sarif junit' -d 'text|json|github|sarif|junit; may be given again, one without =FILE goes to stdout'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l env -x -d 'Check with this overlay: production, …'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l fail-on -x -a 'error warning info' -d 'Exit 1 from this severity on'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l strict -d 'Exit 1 for warnings too, and for checks that --online could not make'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l policy -r -F -d 'Host ceiling: say where the registry asks for more'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l online -d 'Ask too whether these exist: image,dns,secrets,function (all)'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l watch -d 'Check again whenever a file changes, until Ctrl-C'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l select -x -a '(__specql_jobs_list "SQJ001 SQJ002 SQJ003 SQJ004 SQJ005 SQJ006 SQJ007 SQJ008 SQJ009 SQJ010 SQJ011 SQJ012 SQJ013 SQJ014 SQJ015 SQJ016 SQJ090 SQJ091 SQJ092 SQJ093 SQJ094 SQJ101 SQJ102 SQJ103 SQJ104 SQJ105 SQJ106 SQJ107 SQJ108 SQJ109 SQJ110 SQJ111 SQJ112 SQJ113 SQJ114 SQJ115 SQJ120 SQJ121 SQJ122 SQJ123 SQJ201 SQJ202 SQJ203 SQJ204 SQJ205 SQJ206 SQJ207 SQJ301 SQJ302 SQJ303 SQJ304 SQJ305 SQJ306 SQJ307 SQJ308 SQJ309 SQJ310 SQJ311 SQJ312 SQJ320 SQJ321 SQJ401 SQJ402 SQJ403 SQJ404 SQJ405 SQJ406 SQJ407 SQJ408 SQJ409 SQJ410 SQJ411 SQJ412 SQJ413 SQJ414 SQJ415 SQJ416 SQJ417 SQJ418 SQJ419 SQJ420 SQJ421 SQJ422 SQJ501 SQJ502 SQJ503 SQJ504 SQJ505 SQJ506 SQJ507 SQJ508 SQJ509 SQJ510 SQJ511 SQJ512 SQJ513 SQJ514 SQJ515 SQJ516 SQJ517 SQJ518 SQJ530 SQJ531 SQJ532 SQJ540 SQJ541 SQJ542 SQJ543 SQJ601 SQJ602 SQJ603 SQJ604 SQJ605 SQJ606 SQJ611 SQJ612 SQJ613 SQJ614 SQJ615 SQJ616 SQJ617 SQJ618 SQJ621 SQJ622 SQJ623 SQJ624 SQJ631 SQJ632 SQJ633 SQJ641 SQJ642 SQJ643 SQJ644 SQJ651 SQJ652 SQJ653 SQJ654 SQJ655 SQJ656 SQJ701 SQJ702 SQJ703 SQJ704 SQJ705 SQJ706 SQJ707 SQJ708 SQJ709 SQJ710 SQJ711 SQJ712 SQJ713 SQJ714 SQJ715 SQJ716 SQJ717 SQJ718 SQJ719 SQJ720 SQJ721 SQJ722 SQJ723 SQJ724 SQJ725 SQJ726 SQJ740 SQJ741 SQJ742 SQJ730 SQJ731 SQJ732 SQJ733 SQJ734 SQJ735 SQJ901 SQJ902 SQJ903 SQJ904 SQJ905 E100 E130 E143 E200 E201 E202 E203 E204 E205 E206 E207 E208 E209 E210 E211 E212 E213 E214 E215 E216 E220 E221 E222 E223 E224 E225 E226 E230 E240 E241 E300 E301 E304 E310 E311 E312 E315 E320 E313 E314 E330 E340 E400 E402 E403 E410 E411 E500 E502 E503 E504 E505 E506 E510 E520 E600 E601 E602 E603 E604 E605 E610 E620 E630 E700 E701 E702 E710 E800 E801" "")' -d 'Only these rules: SQJ401,SQJ5 (SQJ5 is SQJ5xx)'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l ignore -x -a '(__specql_jobs_list "SQJ001 SQJ002 SQJ003 SQJ004 SQJ005 SQJ006 SQJ007 SQJ008 SQJ009 SQJ010 SQJ011 SQJ012 SQJ013 SQJ014 SQJ015 SQJ016 SQJ090 SQJ091 SQJ092 SQJ093 SQJ094 SQJ101 SQJ102 SQJ103 SQJ104 SQJ105 SQJ106 SQJ107 SQJ108 SQJ109 SQJ110 SQJ111 SQJ112 SQJ113 SQJ114 SQJ115 SQJ120 SQJ121 SQJ122 SQJ123 SQJ201 SQJ202 SQJ203 SQJ204 SQJ205 SQJ206 SQJ207 SQJ301 SQJ302 SQJ303 SQJ304 SQJ305 SQJ306 SQJ307 SQJ308 SQJ309 SQJ310 SQJ311 SQJ312 SQJ320 SQJ321 SQJ401 SQJ402 SQJ403 SQJ404 SQJ405 SQJ406 SQJ407 SQJ408 SQJ409 SQJ410 SQJ411 SQJ412 SQJ413 SQJ414 SQJ415 SQJ416 SQJ417 SQJ418 SQJ419 SQJ420 SQJ421 SQJ422 SQJ501 SQJ502 SQJ503 SQJ504 SQJ505 SQJ506 SQJ507 SQJ508 SQJ509 SQJ510 SQJ511 SQJ512 SQJ513 SQJ514 SQJ515 SQJ516 SQJ517 SQJ518 SQJ530 SQJ531 SQJ532 SQJ540 SQJ541 SQJ542 SQJ543 SQJ601 SQJ602 SQJ603 SQJ604 SQJ605 SQJ606 SQJ611 SQJ612 SQJ613 SQJ614 SQJ615 SQJ616 SQJ617 SQJ618 SQJ621 SQJ622 SQJ623 SQJ624 SQJ631 SQJ632 SQJ633 SQJ641 SQJ642 SQJ643 SQJ644 SQJ651 SQJ652 SQJ653 SQJ654 SQJ655 SQJ656 SQJ701 SQJ702 SQJ703 SQJ704 SQJ705 SQJ706 SQJ707 SQJ708 SQJ709 SQJ710 SQJ711 SQJ712 SQJ713 SQJ714 SQJ715 SQJ716 SQJ717 SQJ718 SQJ719 SQJ720 SQJ721 SQJ722 SQJ723 SQJ724 SQJ725 SQJ726 SQJ740 SQJ741 SQJ742 SQJ730 SQJ731 SQJ732 SQJ733 SQJ734 SQJ735 SQJ901 SQJ902 SQJ903 SQJ904 SQJ905 E100 E130 E143 E200 E201 E202 E203 E204 E205 E206 E207 E208 E209 E210 E211 E212 E213 E214 E215 E216 E220 E221 E222 E223 E224 E225 E226 E230 E240 E241 E300 E301 E304 E310 E311 E312 E315 E320 E313 E314 E330 E340 E400 E402 E403 E410 E411 E500 E502 E503 E504 E505 E506 E510 E520 E600 E601 E602 E603 E604 E605 E610 E620 E630 E700 E701 E702 E710 E800 E801" "")' -d 'All but these rules'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l baseline -r -F -d 'Findings that are accepted: only new ones count'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l write-baseline -d 'Accept all that is found now: write it to the --baseline file'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l statistics -d 'Count findings by rule instead of listing them'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l summary -d 'Only the last line: how many of what'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l max-findings -x -d 'Show the N worst, count the rest (text, json)'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l exit-zero -d 'Exit 0 whatever is found'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l entities -r -F -d 'SpecQL entities: check their call_service steps; may be repeated'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l diff-base -x -d 'Findings of the change since this commit; says what it breaks'
complete -c specql-jobs -n '__specql_jobs_in "validate"' -l against-queue -d 'Name queued jobs that would no longer be executed; reads the database'
complete -c specql-jobs -n '__specql_jobs_in "validate" "replay" "enqueue" "list" "count" "errors" "show" "logs" "tail" "wait" "top" "stats" "schedules list" "report" "retry" "cancel" "discard" "changes list" "changes show" "changes resume" "pause" "resume" "breaker list" "breaker reset" "rescue" "worker" "worker start" "worker list" "worker drain" "db init" "db migrate" "db status" "db prune" "db callbacks list" "db callbacks register" "db callbacks remove" "db callbacks discover" "db callbacks retry" "db callbacks limit" "audit list" "audit verify" "doctor" "config show"' -l dsn -x -a 'embedded' -d 'postgresql://user@host/database, or embedded[:PATH]'
complete -c specql-jobs -n '__specql_jobs_in "validate" "replay" "enqueue" "list" "count" "errors" "show" "logs" "tail" "wait" "top" "stats" "schedules list" "report" "retry" "cancel" "discard" "changes list" "changes show" "changes resume" "pause" "resume" "breaker list" "breaker reset" "rescue" "worker" "worker start" "worker list" "worker drain" "db init" "db migrate" "db status" "db prune" "db callbacks list" "db callbacks register" "db callbacks remove" "db callbacks discover" "db callbacks retry" "db callbacks limit" "audit list" "audit verify" "doctor" "config show"' -s p -l profile -x -a '(__specql_jobs_known profile)' -d 'A profile of specql-jobs.toml or the user\'s config.toml'
complete -c specql-jobs -n '__specql_jobs_in "services list" "schema list" "list" "count" "errors" "tail" "stats" "schedules list" "changes list" "breaker list" "worker list" "audit list"' -s o -l output -x -a 'text json jsonl tsv markdown' -d 'text|json|jsonl|tsv|markdown'
complete -c specql-jobs -n '__specql_jobs_in "services list" "services show" "policy explain" "run" "replay" "enqueue" "schedules list" "worker" "worker start" "doctor" "config show"' -s r -l registry -r -F -d 'Registry file or folder; may be given again'
complete -c specql-jobs -n '__specql_jobs_in "services list" "services show" "policy explain" "run" "replay" "enqueue" "schedules list" "worker" "worker start" "doctor" "config show"' -l env -x -d 'Overlay: production, staging, …'
complete -c specql-jobs -n '__specql_jobs_in "services list" "services show" "policy explain" "run" "replay" "enqueue" "schedules list" "worker" "worker start" "doctor" "config show"' -l policy -r -F -d 'Host ceiling: no policy may allow more'
complete -c specql-jobs -n '__specql_jobs_in "services diff"' -l env -x -d 'Compare with this overlay: production, …'
complete -c specql-jobs -n '__specql_jobs_in "run" "enqueue"' -s i -l input -r -F -d 'A JSON object, a file, or - for stdin'
complete -c specql-jobs -n '__specql_jobs_in "run" "replay" "enqueue"' -l set -x -d 'One field, a.b=v; v is JSON, or text where the field is a string. May be repeated'
complete -c specql-jobs -n '__specql_jobs_in "run" "replay"' -s n -l dry-run -d 'Print plan and verdict, execute nothing'
complete -c specql-jobs -n '__specql_jobs_in "run" "replay"' -l timeout -x -d 'Stop after this long, in whole seconds rounded up: 30, 30s, 5m'
complete -c specql-jobs -n '__specql_jobs_in "run" "replay"' -l env-file -r -F -d 'NAME=VALUE lines; they win over the environment'
complete -c specql-jobs -n '__specql_jobs_in "run" "replay"' -l propagate -d 'End with the exit code of the job\'s process, where it has one'
complete -c specql-jobs -n '__specql_jobs_in "run" "replay"' -l mock -r -F -d 'HTTP: a server on 127.0.0.1 answers, not the target'
complete -c specql-jobs -n '__specql_jobs_in "run" "replay"' -l keep -d 'Shell, docker: leave the scratch folder or the container'
complete -c specql-jobs -n '__specql_jobs_in "run" "replay"' -l shell -d 'Shell, docker: a shell for you, confined as the job would be, in its place'
complete -c specql-jobs -n '__specql_jobs_in "replay"' -l as-recorded -d 'Only under the registry that the job last ran with, by its digest'
complete -c specql-jobs -n '__specql_jobs_in "compile"' -s r -l registry -r -F -d 'Hold the calls against this registry'
complete -c specql-jobs -n '__specql_jobs_in "compile"' -l env -x -d 'Overlay of the registry: production, …'
complete -c specql-jobs -n '__specql_jobs_in "compile"' -l action -x -d 'This action alone; may be repeated'
complete -c specql-jobs -n '__specql_jobs_in "compile"' -l step -x -d 'The INSERT of one call alone: ACTION.NUMBER'
complete -c specql-jobs -n '__specql_jobs_in "compile"' -l schema -x -d 'Of entities that name none; SpecQL has public'
complete -c specql-jobs -n '__specql_jobs_in "compile"' -l tables -d 'The tables too, where they are not there: to try actions out'
complete -c specql-jobs -n '__specql_jobs_in "compile"' -l out -r -F -d 'Write FILE.sql, or a file for each entity into a folder'
complete -c specql-jobs -n '__specql_jobs_in "compile"' -l check -d 'Write nothing; show how --out differs from what it would be'
complete -c specql-jobs -n '__specql_jobs_in "explain"' -s o -l output -x -a 'text json markdown' -d 'text|json|markdown'
complete -c specql-jobs -n '__specql_jobs_in "explain"' -l all -d 'Every code: a list in text, whole pages in json and markdown'
complete -c specql-jobs -n '__specql_jobs_in "demo" "demo play"' -l keep -r -F -d 'Keep registry and database there, to go on with them'
complete -c specql-jobs -n '__specql_jobs_in "demo incident"' -l mend -d 'Set right what is outside of the queue: the target, the deploy'
complete -c specql-jobs -n '__specql_jobs_in "demo incident"' -l check -d 'Is the queue healthy again? Exit 0 or 1'
complete -c specql-jobs -n '__specql_jobs_in "demo incident"' -l walk -d 'Show a way out, command by command'
complete -c specql-jobs -n '__specql_jobs_in "demo incident"' -l end -d 'End its processes and remove its folder'
complete -c specql-jobs -n '__specql_jobs_in "demo incident"' -l folder -r -F -d 'Where it is; else .specql-jobs/incident-NAME'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l at -x -d 'Not before: 2026-11-23T09:00, …Z or @epoch'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l in -x -d 'Not before this much later: 15m, 2h'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l priority -x -d 'Higher runs first'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l key -x -d 'Idempotency key: the same key is the same job'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l tenant -x -a '(__specql_jobs_list "" "tenant")' -d 'Tenant id'
complete -c specql-jobs -n '__specql_jobs_in "enqueue" "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -l correlation -x -d 'Correlation id'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l batch -r -F -d 'One input a line (JSONL), or without SERVICE.OPERATION one job; -: stdin'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l after -x -a '(__specql_jobs_list "" "id")' -d 'Wait until these jobs have completed; may be repeated'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l on-failed-dependency -x -a 'fail skip run' -d 'If one of these fails or is cancelled: fail too, be skipped, or run'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l deadline -x -d 'No attempt starts later than this after the job is due: 2h'
complete -c specql-jobs -n '__specql_jobs_in "enqueue"' -l wait -d 'Wait until the jobs have ended, at most DUR (10m)'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -s s -l status -x -a '(__specql_jobs_list "pending running completed failed cancelled" "")' -d 'pending, running, completed, failed, cancelled; a,b or !a'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard" "audit list"' -l service -x -a '(__specql_jobs_list "" "service")' -d 'Service name'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "report" "retry" "cancel" "discard" "audit list"' -l operation -x -a '(__specql_jobs_list "" "operation")' -d 'service.operation'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "report" "retry" "cancel" "discard"' -l type -x -a '(__specql_jobs_list "http shell docker serverless" "")' -d 'http, shell, docker, serverless'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "report" "retry" "cancel" "discard"' -l tenant -x -a '(__specql_jobs_list "" "tenant")' -d 'Tenant id'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -l worker -x -a '(__specql_jobs_list "" "worker")' -d 'Worker that ran it last'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -l category -x -a '(__specql_jobs_list "invalid_input invalid_output policy_violation timeout resource_exhausted cancelled target_error target_unavailable infrastructure worker_lost crash_loop callback_error dependency_failed internal" "")' -d 'Error category'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -l fingerprint -x -a '(__specql_jobs_list "" "fingerprint")' -d 'Group of equal errors'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -s e -l error -x -d 'The last error contains TEXT'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -l since -x -d 'Last change of state at or after T: 15m, 3d, today, 09:30, 2026-11-23'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -l until -x -d 'Last change of state at or before T'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -l input -x -d 'A field of the input: customer.id=42'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors" "tail" "stats" "retry" "cancel" "discard"' -s l -l limit -x -d 'At most N jobs; 0 means no limit'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors"' -l group-by -x -d 'How many by status, service, operation, type, tenant, worker, category, fingerprint, correlation, registry, minute, hour, day (of the last change)'
complete -c specql-jobs -n '__specql_jobs_in "list" "count" "errors"' -l exact -d 'Count to the end, where an estimate would be quicker'
complete -c specql-jobs -n '__specql_jobs_in "logs"' -s o -l output -x -a 'text json jsonl' -d 'text|json|jsonl'
complete -c specql-jobs -n '__specql_jobs_in "logs"' -l attempt -x -d 'This attempt\'s; else the last'
complete -c specql-jobs -n '__specql_jobs_in "logs"' -l all-attempts -d 'Every attempt\'s, the oldest first'
complete -c specql-jobs -n '__specql_jobs_in "logs"' -l stream -x -a 'stdout stderr http' -d 'Only this one'
complete -c specql-jobs -n '__specql_jobs_in "logs"' -l tail -x -d 'Only the last N lines of each job'
complete -c specql-jobs -n '__specql_jobs_in "logs"' -s f -l follow -d 'Go on until the jobs have ended'
complete -c specql-jobs -n '__specql_jobs_in "logs"' -l raw -d 'As it was said, without marks: for a pipe or a file'
complete -c specql-jobs -n '__specql_jobs_in "tail"' -s f -l follow -d 'Go on with new ones until Ctrl-C'
complete -c specql-jobs -n '__specql_jobs_in "tail"' -l logs -d 'Also what the jobs wrote, before the event that ends the attempt'
complete -c specql-jobs -n '__specql_jobs_in "tail"' -l until-idle -x -d 'With -f: end when nothing has happened for so long'
complete -c specql-jobs -n '__specql_jobs_in "tail"' -l max -x -d 'With -f: end after N events'
complete -c specql-jobs -n '__specql_jobs_in "wait"' -l timeout -x -d 'At most so long; 0 looks once'
complete -c specql-jobs -n '__specql_jobs_in "top"' -l interval -x -d 'Between two looks at the database'
complete -c specql-jobs -n '__specql_jobs_in "stats"' -l by -x -d 'service, operation, type, tenant, worker'
complete -c specql-jobs -n '__specql_jobs_in "report"' -l since -x -d 'From T on: 15m, 3d, today, 09:30, 2026-11-23'
complete -c specql-jobs -n '__specql_jobs_in "report"' -l until -x -d 'Up to T; without it up to now'
complete -c specql-jobs -n '__specql_jobs_in "report"' -l service -x -a '(__specql_jobs_list "" "service")' -d 'Service name; a,b or !a'
complete -c specql-jobs -n '__specql_jobs_in "report"' -l html -r -F -d 'Write one self-contained page; - is stdout'
complete -c specql-jobs -n '__specql_jobs_in "report"' -l force -d 'Replace FILE if it exists'
complete -c specql-jobs -n '__specql_jobs_in "report"' -l title -x -d 'The page\'s heading'
complete -c specql-jobs -n '__specql_jobs_in "retry" "cancel" "discard"' -l all -d 'Every job that the change applies to'
complete -c specql-jobs -n '__specql_jobs_in "retry" "cancel" "discard"' -s n -l dry-run -d 'Show what would be changed, change nothing'
complete -c specql-jobs -n '__specql_jobs_in "retry" "cancel" "discard"' -s y -l yes -d 'Do not ask; it asks from 11 jobs on, and of running ones'
complete -c specql-jobs -n '__specql_jobs_in "retry" "cancel" "discard" "rescue" "db prune"' -l confirm -x -a '(__specql_jobs_known profile)' -d 'With --yes on a protected profile: its name'
complete -c specql-jobs -n '__specql_jobs_in "retry" "cancel" "discard" "rescue"' -l reason -x -d 'Why; kept with the change'
complete -c specql-jobs -n '__specql_jobs_in "retry" "cancel" "discard"' -l expect -x -d 'Change nothing unless exactly N jobs match'
complete -c specql-jobs -n '__specql_jobs_in "retry" "cancel" "discard"' -l plan -x -d 'Change nothing unless these are the jobs of that --dry-run'
complete -c specql-jobs -n '__specql_jobs_in "retry"' -l rate -x -d 'Spread them: so many a second, minute or hour: 20/s, 100/m'
complete -c specql-jobs -n '__specql_jobs_in "retry"' -l canary -x -d 'N jobs first; the others when PCT% of them have completed (80%)'
complete -c specql-jobs -n '__specql_jobs_in "retry"' -l canary-timeout -x -d 'How long to wait for the first ones'
complete -c specql-jobs -n '__specql_jobs_in "cancel"' -l wait -d 'Follow running jobs until they have ended (1m)'
complete -c specql-jobs -n '__specql_jobs_in "changes list"' -l kind -x -d 'retry, cancel, discard, rescue, pause, …'
complete -c specql-jobs -n '__specql_jobs_in "changes list"' -l actor -x -d 'Who made it'
complete -c specql-jobs -n '__specql_jobs_in "changes list" "audit list"' -l since -x -d 'At or after T: 15m, 3d, today, 2026-11-23'
complete -c specql-jobs -n '__specql_jobs_in "changes list"' -l open -d 'Only those that are not done'
complete -c specql-jobs -n '__specql_jobs_in "changes list"' -s l -l limit -x -d 'At most N; 0: all'
complete -c specql-jobs -n '__specql_jobs_in "changes show"' -s l -l limit -x -d 'Jobs named one by one; 0: all'
complete -c specql-jobs -n '__specql_jobs_in "changes resume"' -l canary-timeout -x -d 'How long to wait for the first jobs'
complete -c specql-jobs -n '__specql_jobs_in "pause" "resume"' -l service -x -a '(__specql_jobs_list "" "service")' -d 'Jobs of a service'
complete -c specql-jobs -n '__specql_jobs_in "pause" "resume"' -l operation -x -a '(__specql_jobs_list "" "operation")' -d 'Jobs of one operation'
complete -c specql-jobs -n '__specql_jobs_in "pause" "resume"' -l type -x -a '(__specql_jobs_list "http shell docker serverless" "")' -d 'http, shell, docker or serverless'
complete -c specql-jobs -n '__specql_jobs_in "pause" "resume"' -l tenant -x -a '(__specql_jobs_list "" "tenant")' -d 'Jobs of a tenant, of any service'
complete -c specql-jobs -n '__specql_jobs_in "pause" "resume"' -l all -d 'Every job'
complete -c specql-jobs -n '__specql_jobs_in "pause" "resume"' -l reason -x -d 'Why; kept in the ledger and shown by show'
complete -c specql-jobs -n '__specql_jobs_in "pause"' -l for -x -d 'How long: 30m, 2h; else until resume'
complete -c specql-jobs -n '__specql_jobs_in "breaker reset"' -l reason -x -d 'Why; kept in the ledger'
complete -c specql-jobs -n '__specql_jobs_in "rescue"' -l worker -x -a '(__specql_jobs_list "" "worker")' -d 'This worker\'s alone; its id, as `worker list` shows it'
complete -c specql-jobs -n '__specql_jobs_in "rescue"' -l force -d 'Even if the worker still seems alive: its jobs may run twice'
complete -c specql-jobs -n '__specql_jobs_in "rescue"' -s n -l dry-run -d 'Show what would be given back, change nothing'
complete -c specql-jobs -n '__specql_jobs_in "rescue" "db prune"' -s y -l yes -d 'Do not ask'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -s c -l concurrency -x -d 'Jobs at a time'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l types -x -a '(__specql_jobs_list "http shell docker serverless" "")' -d 'Only these execution types: http,shell'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l services -x -a '(__specql_jobs_list "" "service")' -d 'Only these services'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l processes -x -d 'Worker processes'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l until-empty -d 'End when no job is ready, running or retrying'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l max-jobs -x -d 'Claim at most N jobs'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l drain-timeout -x -d 'After SIGTERM, wait this long for running jobs'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l health -x -d 'Serve /healthz and /readyz (with --processes 1)'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l log-format -x -a 'text json' -d 'Events on stderr'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l allow-weak-limits -d 'Without cgroups, run shell jobs under rlimits alone'
complete -c specql-jobs -n '__specql_jobs_in "worker" "worker start"' -l allow-unsandboxed -d 'Honour `sandbox: none` of this host\'s registry'
complete -c specql-jobs -n '__specql_jobs_in "worker list"' -s a -l all -d 'Also those that ended over an hour ago, up to a week'
complete -c specql-jobs -n '__specql_jobs_in "db migrate"' -s n -l dry-run -d 'Say what would be applied, change nothing'
complete -c specql-jobs -n '__specql_jobs_in "db prune"' -l completed -x -d 'Keep completed jobs for DUR: 30d, 12h'
complete -c specql-jobs -n '__specql_jobs_in "db prune"' -l failed -x -d 'Keep failed jobs for DUR'
complete -c specql-jobs -n '__specql_jobs_in "db prune"' -l cancelled -x -d 'Keep cancelled jobs for DUR'
complete -c specql-jobs -n '__specql_jobs_in "db prune"' -l batch -x -d 'Rows looked at by one transaction'
complete -c specql-jobs -n '__specql_jobs_in "db prune"' -l pause -x -d 'Wait between two transactions'
complete -c specql-jobs -n '__specql_jobs_in "db prune"' -s n -l dry-run -d 'Say how many would go, delete nothing'
complete -c specql-jobs -n '__specql_jobs_in "db prune"' -l reason -x -d 'Why; kept in the ledger of changes'
complete -c specql-jobs -n '__specql_jobs_in "db callbacks register" "db callbacks remove"' -l entity -x -d 'The entity, as the jobs\' rows name it'
complete -c specql-jobs -n '__specql_jobs_in "db callbacks register" "db callbacks remove"' -l on -x -a '(__specql_jobs_known operation)' -d 'What the jobs call'
complete -c specql-jobs -n '__specql_jobs_in "db callbacks register" "db callbacks remove"' -l outcome -x -a 'success failure' -d 'How the jobs end'
complete -c specql-jobs -n '__specql_jobs_in "db callbacks discover"' -l schema -x -d 'Where the functions are; else the schema of each entity'
complete -c specql-jobs -n '__specql_jobs_in "db callbacks limit"' -l run-as -x -d 'The role whose rights callbacks have; \'\' for the worker\'s'
complete -c specql-jobs -n '__specql_jobs_in "db callbacks limit"' -l timeout -x -d 'Of one call, at most 60s; 5s at first'
complete -c specql-jobs -n '__specql_jobs_in "db callbacks limit"' -l max-attempts -x -d 'Calls of one callback; 10 at first'
complete -c specql-jobs -n '__specql_jobs_in "audit list"' -l outcome -x -d 'succeeded, failed, refused, cancelled, interrupted, worker_lost'
complete -c specql-jobs -n '__specql_jobs_in "audit list"' -l worker -x -a '(__specql_jobs_list "" "worker")' -d 'Worker that executed or refused'
complete -c specql-jobs -n '__specql_jobs_in "audit list"' -l until -x -d 'At or before T'
complete -c specql-jobs -n '__specql_jobs_in "audit list"' -s l -l limit -x -d 'At most N events; 0 means no limit'
complete -c specql-jobs -n '__specql_jobs_in "audit verify"' -l head -x -d 'A hash that a worker logged; it must still be in the trail'
complete -c specql-jobs -n '__specql_jobs_in "config show"' -l origin -d 'Which flag, variable, file with its line, or default decided it'
complete -c specql-jobs -n '__specql_jobs_in "man"' -l list -d 'Name the pages'
complete -c specql-jobs -n '__specql_jobs_in "init" "validate" "services diff" "db callbacks discover"' -F
complete -c specql-jobs -n '__specql_jobs_in "services show" "policy explain"' -a '(__specql_jobs_known service,operation)'
complete -c specql-jobs -n '__specql_jobs_in "run" "enqueue"' -a '(__specql_jobs_known operation)'
complete -c specql-jobs -n '__specql_jobs_in "replay" "list" "count" "errors" "show" "logs" "tail" "wait" "stats" "retry" "cancel" "discard" "db callbacks retry"' -a '(__specql_jobs_known id)'
complete -c specql-jobs -n '__specql_jobs_in "explain"' -a 'SQJ001 SQJ002 SQJ003 SQJ004 SQJ005 SQJ006 SQJ007 SQJ008 SQJ009 SQJ010 SQJ011 SQJ012 SQJ013 SQJ014 SQJ015 SQJ016 SQJ090 SQJ091 SQJ092 SQJ093 SQJ094 SQJ101 SQJ102 SQJ103 SQJ104 SQJ105 SQJ106 SQJ107 SQJ108 SQJ109 SQJ110 SQJ111 SQJ112 SQJ113 SQJ114 SQJ115 SQJ120 SQJ121 SQJ122 SQJ123 SQJ201 SQJ202 SQJ203 SQJ204 SQJ205 SQJ206 SQJ207 SQJ301 SQJ302 SQJ303 SQJ304 SQJ305 SQJ306 SQJ307 SQJ308 SQJ309 SQJ310 SQJ311 SQJ312 SQJ320 SQJ321 SQJ401 SQJ402 SQJ403 SQJ404 SQJ405 SQJ406 SQJ407 SQJ408 SQJ409 SQJ410 SQJ411 SQJ412 SQJ413 SQJ414 SQJ415 SQJ416 SQJ417 SQJ418 SQJ419 SQJ420 SQJ421 SQJ422 SQJ501 SQJ502 SQJ503 SQJ504 SQJ505 SQJ506 SQJ507 SQJ508 SQJ509 SQJ510 SQJ511 SQJ512 SQJ513 SQJ514 SQJ515 SQJ516 SQJ517 SQJ518 SQJ530 SQJ531 SQJ532 SQJ540 SQJ541 SQJ542 SQJ543 SQJ601 SQJ602 SQJ603 SQJ604 SQJ605 SQJ606 SQJ611 SQJ612 SQJ613 SQJ614 SQJ615 SQJ616 SQJ617 SQJ618 SQJ621 SQJ622 SQJ623 SQJ624 SQJ631 SQJ632 SQJ633 SQJ641 SQJ642 SQJ643 SQJ644 SQJ651 SQJ652 SQJ653 SQJ654 SQJ655 SQJ656 SQJ701 SQJ702 SQJ703 SQJ704 SQJ705 SQJ706 SQJ707 SQJ708 SQJ709 SQJ710 SQJ711 SQJ712 SQJ713 SQJ714 SQJ715 SQJ716 SQJ717 SQJ718 SQJ719 SQJ720 SQJ721 SQJ722 SQJ723 SQJ724 SQJ725 SQJ726 SQJ740 SQJ741 SQJ742 SQJ730 SQJ731 SQJ732 SQJ733 SQJ734 SQJ735 SQJ901 SQJ902 SQJ903 SQJ904 SQJ905 E100 E130 E143 E200 E201 E202 E203 E204 E205 E206 E207 E208 E209 E210 E211 E212 E213 E214 E215 E216 E220 E221 E222 E223 E224 E225 E226 E230 E240 E241 E300 E301 E304 E310 E311 E312 E315 E320 E313 E314 E330 E340 E400 E402 E403 E410 E411 E500 E502 E503 E504 E505 E506 E510 E520 E600 E601 E602 E603 E604 E605 E610 E620 E630 E700 E701 E702 E710 E800 E801'
complete -c specql-jobs -n '__specql_jobs_in "changes show" "changes resume"' -a '(__specql_jobs_known changes)'
complete -c specql-jobs -n '__specql_jobs_in "breaker reset"' -a '(__specql_jobs_known service)'
complete -c specql-jobs -n '__specql_jobs_in "worker drain"' -a '(__specql_jobs_known worker)'
complete -c specql-jobs -n '__specql_jobs_in "audit list"' -a '(__specql_jobs_known audit)'
complete -c specql-jobs -n '__specql_jobs_in "completions"' -a 'bash zsh fish'
