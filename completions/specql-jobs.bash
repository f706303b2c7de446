# bash completion for specql-jobs. Generated from its commands: `specql-jobs completions bash` prints this file.
# Names of services, operations and jobs come from a small file that earlier commands wrote; no database is asked.

_specql_jobs_below() {
  REPLY=''
  case $1 in
    '') REPLY='init validate services policy run replay compile explain generate schema demo enqueue list count errors show logs tail wait top stats schedules report retry cancel discard changes pause resume breaker rescue worker db audit doctor config help man completions version' ;;
    'services') REPLY='list show diff' ;;
    'policy') REPLY='explain' ;;
    'generate') REPLY='typescript' ;;
    'schema') REPLY='list show' ;;
    'demo') REPLY='play incident' ;;
    'schedules') REPLY='list' ;;
    'changes') REPLY='list show resume' ;;
    'pause') REPLY='set list' ;;
    'breaker') REPLY='list reset' ;;
    'worker') REPLY='start list drain' ;;
    'db') REPLY='init migrate status prune callbacks' ;;
    'db callbacks') REPLY='list register remove discover retry limit' ;;
    'audit') REPLY='list verify' ;;
    'config') REPLY='show' ;;
  esac
}

_specql_jobs_options() {
  REPLY=''
  case $1 in
    '') REPLY='-h --help -V --version' ;;
    'init') REPLY='-o --output -q --quiet -v --verbose --color --ci -h --help' ;;
    'validate') REPLY='-o --output -q --quiet -v --verbose --color --env --fail-on --strict --policy --online --watch --select --ignore --baseline --write-baseline --statistics --summary --max-findings --exit-zero --entities --diff-base --against-queue --dsn -p --profile -h --help' ;;
    'services' | 'policy' | 'generate' | 'schema' | 'schedules' | 'changes' | 'breaker' | 'db' | 'db callbacks' | 'audit' | 'config') REPLY='-h --help' ;;
    'services list' | 'services show' | 'policy explain') REPLY='-o --output -q --quiet -v --verbose --color -r --registry --env --policy -h --help' ;;
    'services diff') REPLY='-o --output -q --quiet -v --verbose --color --env -h --help' ;;
    'run') REPLY='-o --output -q --quiet -v --verbose --color -i --input --set -r --registry --env --policy -n --dry-run --timeout --env-file --propagate --mock --keep --shell -h --help' ;;
    'replay') REPLY='-o --output -q --quiet -v --verbose --color --set --as-recorded --dsn -p --profile -r --registry --env --policy -n --dry-run --timeout --env-file --propagate --mock --keep --shell -h --help' ;;
    'compile') REPLY='-o --output -q --quiet -v --verbose --color -r --registry --env --action --step --schema --tables --out --check -h --help' ;;
    'explain') REPLY='-o --output -q --quiet -v --verbose --color --all -h --help' ;;
    'generate typescript') REPLY='-o --output -q --quiet -v --verbose --color --out -r --registry --env --check --force -h --help' ;;
    'schema list' | 'schema show' | 'help' | 'completions' | 'version') REPLY='-o --output -q --quiet -v --verbose --color -h --help' ;;
    'demo' | 'demo play') REPLY='-o --output -q --quiet -v --verbose --color --keep -h --help' ;;
    'demo incident') REPLY='-o --output -q --quiet -v --verbose --color --mend --check --walk --end --folder -h --help' ;;
    'enqueue') REPLY='-o --output -q --quiet -v --verbose --color -i --input --set --at --in --priority --key --tenant --correlation --batch --after --on-failed-dependency --deadline --wait -r --registry --env --policy --dsn -p --profile -h --help' ;;
    'list' | 'count' | 'errors') REPLY='-o --output -q --quiet -v --verbose --color -s --status --service --operation --type --tenant --worker --category --fingerprint -e --error --since --until --correlation --input -l --limit --group-by --exact --dsn -p --profile -h --help' ;;
    'show' | 'pause list' | 'breaker list' | 'worker drain' | 'db init' | 'db status' | 'db callbacks list' | 'db callbacks retry') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile -h --help' ;;
    'logs') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --attempt --all-attempts --stream --tail -f --follow --raw -h --help' ;;
    'tail') REPLY='-o --output -q --quiet -v --verbose --color -s --status --service --operation --type --tenant --worker --category --fingerprint -e --error --since --until --correlation --input -l --limit --dsn -p --profile -f --follow --logs --until-idle --max -h --help' ;;
    'wait') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --change --timeout -h --help' ;;
    'top') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --interval -h --help' ;;
    'stats') REPLY='-o --output -q --quiet -v --verbose --color -s --status --service --operation --type --tenant --worker --category --fingerprint -e --error --since --until --correlation --input -l --limit --dsn -p --profile --by -h --help' ;;
    'schedules list') REPLY='-o --output -q --quiet -v --verbose --color -r --registry --env --policy --dsn -p --profile -h --help' ;;
    'report') REPLY='-o --output -q --quiet -v --verbose --color --since --until --service --operation --type --tenant --html --force --title --dsn -p --profile -h --help' ;;
    'retry') REPLY='-o --output -q --quiet -v --verbose --color -s --status --service --operation --type --tenant --worker --category --fingerprint -e --error --since --until --correlation --input -l --limit --dsn -p --profile --all -n --dry-run -y --yes --confirm --reason --expect --plan --rate --canary --canary-timeout -h --help' ;;
    'cancel') REPLY='-o --output -q --quiet -v --verbose --color -s --status --service --operation --type --tenant --worker --category --fingerprint -e --error --since --until --correlation --input -l --limit --dsn -p --profile --all -n --dry-run -y --yes --confirm --reason --expect --plan --wait -h --help' ;;
    'discard') REPLY='-o --output -q --quiet -v --verbose --color -s --status --service --operation --type --tenant --worker --category --fingerprint -e --error --since --until --correlation --input -l --limit --dsn -p --profile --all -n --dry-run -y --yes --confirm --reason --expect --plan -h --help' ;;
    'changes list') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --kind --actor --since --open -l --limit -h --help' ;;
    'changes show') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile -l --limit -h --help' ;;
    'changes resume') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --canary-timeout -h --help' ;;
    'pause' | 'pause set') REPLY='-o --output -q --quiet -v --verbose --color --service --operation --type --tenant --all --reason --dsn -p --profile --for -h --help' ;;
    'resume') REPLY='-o --output -q --quiet -v --verbose --color --service --operation --type --tenant --all --reason --dsn -p --profile -h --help' ;;
    'breaker reset') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --reason -h --help' ;;
    'rescue') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --worker --force -n --dry-run -y --yes --confirm --reason -h --help' ;;
    'worker' | 'worker start') REPLY='-o --output -q --quiet -v --verbose --color -r --registry --env --policy --dsn -p --profile -c --concurrency --types --services --processes --until-empty --max-jobs --drain-timeout --health --log-format --allow-weak-limits --allow-unsandboxed -h --help' ;;
    'worker list') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile -a --all -h --help' ;;
    'db migrate') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile -n --dry-run -h --help' ;;
    'db prune') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --completed --failed --cancelled --batch --pause -n --dry-run -y --yes --confirm --reason -h --help' ;;
    'db callbacks register' | 'db callbacks remove') REPLY='-o --output -q --quiet -v --verbose --color --entity --on --outcome --dsn -p --profile -h --help' ;;
    'db callbacks discover') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --schema -h --help' ;;
    'db callbacks limit') REPLY='-o --output -q --quiet -v --verbose --color --run-as --timeout --max-attempts --dsn -p --profile -h --help' ;;
    'audit list') REPLY='-o --output -q --quiet -v --verbose --color --service --operation --outcome --worker --since --until -l --limit --dsn -p --profile -h --help' ;;
    'audit verify') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile --head -h --help' ;;
    'doctor') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile -r --registry --env --policy -h --help' ;;
    'config show') REPLY='-o --output -q --quiet -v --verbose --color --dsn -p --profile -r --registry --env --policy --origin -h --help' ;;
    'man') REPLY='-o --output -q --quiet -v --verbose --color --list -h --help' ;;
  esac
}

_specql_jobs_arguments() {
  REPLY=''
  case $1 in
    'init' | 'validate' | 'services diff' | 'db callbacks discover') REPLY='||files|' ;;
    'services show' | 'policy explain') REPLY='|service,operation||' ;;
    'run' | 'enqueue') REPLY='|operation||' ;;
    'replay' | 'list' | 'count' | 'errors' | 'show' | 'logs' | 'tail' | 'wait' | 'stats' | 'retry' | 'cancel' | 'discard' | 'db callbacks retry') REPLY='|id||' ;;
    'explain') REPLY='SQJ001 SQJ002 SQJ003 SQJ004 SQJ005 SQJ006 SQJ007 SQJ008 SQJ009 SQJ010 SQJ011 SQJ012 SQJ013 SQJ014 SQJ015 SQJ016 SQJ090 SQJ091 SQJ092 SQJ093 SQJ094 SQJ101 SQJ102 SQJ103 SQJ104 SQJ105 SQJ106 SQJ107 SQJ108 SQJ109 SQJ110 SQJ111 SQJ112 SQJ113 SQJ114 SQJ115 SQJ120 SQJ121 SQJ122 SQJ123 SQJ201 SQJ202 SQJ203 SQJ204 SQJ205 SQJ206 SQJ207 SQJ301 SQJ302 SQJ303 SQJ304 SQJ305 SQJ306 SQJ307 SQJ308 SQJ309 SQJ310 SQJ311 SQJ312 SQJ320 SQJ321 SQJ401 SQJ402 SQJ403 SQJ404 SQJ405 SQJ406 SQJ407 SQJ408 SQJ409 SQJ410 SQJ411 SQJ412 SQJ413 SQJ414 SQJ415 SQJ416 SQJ417 SQJ418 SQJ419 SQJ420 SQJ421 SQJ422 SQJ501 SQJ502 SQJ503 SQJ504 SQJ505 SQJ506 SQJ507 SQJ508 SQJ509 SQJ510 SQJ511 SQJ512 SQJ513 SQJ514 SQJ515 SQJ516 SQJ517 SQJ518 SQJ530 SQJ531 SQJ532 SQJ540 SQJ541 SQJ542 SQJ543 SQJ601 SQJ602 SQJ603 SQJ604 SQJ605 SQJ606 SQJ611 SQJ612 SQJ613 SQJ614 SQJ615 SQJ616 SQJ617 SQJ618 SQJ621 SQJ622 SQJ623 SQJ624 SQJ631 SQJ632 SQJ633 SQJ641 SQJ642 SQJ643 SQJ644 SQJ651 SQJ652 SQJ653 SQJ654 SQJ655 SQJ656 SQJ701 SQJ702 SQJ703 SQJ704 SQJ705 SQJ706 SQJ707 SQJ708 SQJ709 SQJ710 SQJ711 SQJ712 SQJ713 SQJ714 SQJ715 SQJ716 SQJ717 SQJ718 SQJ719 SQJ720 SQJ721 SQJ722 SQJ723 SQJ724 SQJ725 SQJ726 SQJ740 SQJ741 SQJ742 SQJ730 SQJ731 SQJ732 SQJ733 SQJ734 SQJ735 SQJ901 SQJ902 SQJ903 SQJ904 SQJ905 E100 E130 E143 E200 E201 E202 E203 E204 E205 E206 E207 E208 E209 E210 E211 E212 E213 E214 E215 E216 E220 E221 E222 E223 E224 E225 E226 E230 E240 E241 E300 E301 E302 E304 E310 E311 E312 E315 E320 E313 E314 E330 E340 E400 E402 E403 E410 E411 E500 E502 E503 E504 E505 E506 E507 E510 E520 E600 E601 E602 E603 E604 E605 E610 E611 E620 E630 E700 E701 E702 E710 E800 E801 invalid_input invalid_output policy_violation timeout resource_exhausted cancelled target_error target_unavailable infrastructure worker_lost crash_loop callback_error dependency_failed internal|||' ;;
    'changes show' | 'changes resume') REPLY='|changes||' ;;
    'breaker reset') REPLY='|service||' ;;
    'worker drain') REPLY='|worker||' ;;
    'audit list') REPLY='|audit||' ;;
    'completions') REPLY='bash zsh fish|||' ;;
  esac
}

_specql_jobs_value() {
  case $1 in
    'init -o' | 'init --output' | 'services show -o' | 'services show --output' | 'services diff -o' | 'services diff --output' | 'policy explain -o' | 'policy explain --output' | 'run -o' | 'run --output' | 'replay -o' | 'replay --output' | 'compile -o' | 'compile --output' | 'generate typescript -o' | 'generate typescript --output' | 'schema show -o' | 'schema show --output' | 'demo -o' | 'demo --output' | 'demo play -o' | 'demo play --output' | 'demo incident -o' | 'demo incident --output' | 'enqueue -o' | 'enqueue --output' | 'show -o' | 'show --output' | 'wait -o' | 'wait --output' | 'top -o' | 'top --output' | 'report -o' | 'report --output' | 'retry -o' | 'retry --output' | 'cancel -o' | 'cancel --output' | 'discard -o' | 'discard --output' | 'changes show -o' | 'changes show --output' | 'changes resume -o' | 'changes resume --output' | 'pause -o' | 'pause --output' | 'pause set -o' | 'pause set --output' | 'resume -o' | 'resume --output' | 'breaker reset -o' | 'breaker reset --output' | 'rescue -o' | 'rescue --output' | 'worker -o' | 'worker --output' | 'worker --log-format' | 'worker start -o' | 'worker start --output' | 'worker start --log-format' | 'worker drain -o' | 'worker drain --output' | 'db init -o' | 'db init --output' | 'db migrate -o' | 'db migrate --output' | 'db status -o' | 'db status --output' | 'db prune -o' | 'db prune --output' | 'db callbacks list -o' | 'db callbacks list --output' | 'db callbacks register -o' | 'db callbacks register --output' | 'db callbacks remove -o' | 'db callbacks remove --output' | 'db callbacks discover -o' | 'db callbacks discover --output' | 'db callbacks retry -o' | 'db callbacks retry --output' | 'db callbacks limit -o' | 'db callbacks limit --output' | 'audit verify -o' | 'audit verify --output' | 'doctor -o' | 'doctor --output' | 'config show -o' | 'config show --output' | 'help -o' | 'help --output' | 'man -o' | 'man --output' | 'completions -o' | 'completions --output' | 'version -o' | 'version --output') REPLY='text json|||' ;;
    'init --color' | 'validate --color' | 'services list --color' | 'services show --color' | 'services diff --color' | 'policy explain --color' | 'run --color' | 'replay --color' | 'compile --color' | 'explain --color' | 'generate typescript --color' | 'schema list --color' | 'schema show --color' | 'demo --color' | 'demo play --color' | 'demo incident --color' | 'enqueue --color' | 'list --color' | 'count --color' | 'errors --color' | 'show --color' | 'logs --color' | 'tail --color' | 'wait --color' | 'top --color' | 'stats --color' | 'schedules list --color' | 'report --color' | 'retry --color' | 'cancel --color' | 'discard --color' | 'changes list --color' | 'changes show --color' | 'changes resume --color' | 'pause --color' | 'pause set --color' | 'pause list --color' | 'resume --color' | 'breaker list --color' | 'breaker reset --color' | 'rescue --color' | 'worker --color' | 'worker start --color' | 'worker list --color' | 'worker drain --color' | 'db init --color' | 'db migrate --color' | 'db status --color' | 'db prune --color' | 'db callbacks list --color' | 'db callbacks register --color' | 'db callbacks remove --color' | 'db callbacks discover --color' | 'db callbacks retry --color' | 'db callbacks limit --color' | 'audit list --color' | 'audit verify --color' | 'doctor --color' | 'config show --color' | 'help --color' | 'man --color' | 'completions --color' | 'version --color') REPLY='auto always never|||' ;;
    'init --ci') REPLY='github none|||' ;;
    'validate -o' | 'validate --output') REPLY='text json github sarif junit|||' ;;
    'validate --env' | 'validate --max-findings' | 'validate --diff-base' | 'services list --env' | 'services show --env' | 'services diff --env' | 'policy explain --env' | 'run --set' | 'run --env' | 'run --timeout' | 'replay --set' | 'replay --env' | 'replay --timeout' | 'compile --env' | 'compile --action' | 'compile --step' | 'compile --schema' | 'generate typescript --env' | 'enqueue --set' | 'enqueue --at' | 'enqueue --in' | 'enqueue --priority' | 'enqueue --key' | 'enqueue --correlation' | 'enqueue --deadline' | 'enqueue --env' | 'list -e' | 'list --error' | 'list --since' | 'list --until' | 'list --correlation' | 'list --input' | 'list -l' | 'list --limit' | 'list --group-by' | 'count -e' | 'count --error' | 'count --since' | 'count --until' | 'count --correlation' | 'count --input' | 'count -l' | 'count --limit' | 'count --group-by' | 'errors -e' | 'errors --error' | 'errors --since' | 'errors --until' | 'errors --correlation' | 'errors --input' | 'errors -l' | 'errors --limit' | 'errors --group-by' | 'logs --attempt' | 'logs --tail' | 'tail -e' | 'tail --error' | 'tail --since' | 'tail --until' | 'tail --correlation' | 'tail --input' | 'tail -l' | 'tail --limit' | 'tail --until-idle' | 'tail --max' | 'wait --change' | 'wait --timeout' | 'top --interval' | 'stats -e' | 'stats --error' | 'stats --since' | 'stats --until' | 'stats --correlation' | 'stats --input' | 'stats -l' | 'stats --limit' | 'stats --by' | 'schedules list --env' | 'report --since' | 'report --until' | 'report --title' | 'retry -e' | 'retry --error' | 'retry --since' | 'retry --until' | 'retry --correlation' | 'retry --input' | 'retry -l' | 'retry --limit' | 'retry --reason' | 'retry --expect' | 'retry --plan' | 'retry --rate' | 'retry --canary' | 'retry --canary-timeout' | 'cancel -e' | 'cancel --error' | 'cancel --since' | 'cancel --until' | 'cancel --correlation' | 'cancel --input' | 'cancel -l' | 'cancel --limit' | 'cancel --reason' | 'cancel --expect' | 'cancel --plan' | 'discard -e' | 'discard --error' | 'discard --since' | 'discard --until' | 'discard --correlation' | 'discard --input' | 'discard -l' | 'discard --limit' | 'discard --reason' | 'discard --expect' | 'discard --plan' | 'changes list --kind' | 'changes list --actor' | 'changes list --since' | 'changes list -l' | 'changes list --limit' | 'changes show -l' | 'changes show --limit' | 'changes resume --canary-timeout' | 'pause --reason' | 'pause --for' | 'pause set --reason' | 'pause set --for' | 'resume --reason' | 'breaker reset --reason' | 'rescue --reason' | 'worker --env' | 'worker -c' | 'worker --concurrency' | 'worker --processes' | 'worker --max-jobs' | 'worker --drain-timeout' | 'worker --health' | 'worker start --env' | 'worker start -c' | 'worker start --concurrency' | 'worker start --processes' | 'worker start --max-jobs' | 'worker start --drain-timeout' | 'worker start --health' | 'db prune --completed' | 'db prune --failed' | 'db prune --cancelled' | 'db prune --batch' | 'db prune --pause' | 'db prune --reason' | 'db callbacks register --entity' | 'db callbacks remove --entity' | 'db callbacks discover --schema' | 'db callbacks limit --run-as' | 'db callbacks limit --timeout' | 'db callbacks limit --max-attempts' | 'audit list --outcome' | 'audit list --since' | 'audit list --until' | 'audit list -l' | 'audit list --limit' | 'audit verify --head' | 'doctor --env' | 'config show --env') REPLY='|||' ;;
    'validate --fail-on') REPLY='error warning info|||' ;;
    'validate --policy' | 'validate --baseline' | 'validate --entities' | 'services list -r' | 'services list --registry' | 'services list --policy' | 'services show -r' | 'services show --registry' | 'services show --policy' | 'policy explain -r' | 'policy explain --registry' | 'policy explain --policy' | 'run -i' | 'run --input' | 'run -r' | 'run --registry' | 'run --policy' | 'run --env-file' | 'run --mock' | 'replay -r' | 'replay --registry' | 'replay --policy' | 'replay --env-file' | 'replay --mock' | 'compile -r' | 'compile --registry' | 'compile --out' | 'generate typescript --out' | 'generate typescript -r' | 'generate typescript --registry' | 'demo --keep' | 'demo play --keep' | 'demo incident --folder' | 'enqueue -i' | 'enqueue --input' | 'enqueue --batch' | 'enqueue -r' | 'enqueue --registry' | 'enqueue --policy' | 'schedules list -r' | 'schedules list --registry' | 'schedules list --policy' | 'report --html' | 'worker -r' | 'worker --registry' | 'worker --policy' | 'worker start -r' | 'worker start --registry' | 'worker start --policy' | 'doctor -r' | 'doctor --registry' | 'doctor --policy' | 'config show -r' | 'config show --registry' | 'config show --policy') REPLY='||files|' ;;
    'validate --select' | 'validate --ignore') REPLY='SQJ001 SQJ002 SQJ003 SQJ004 SQJ005 SQJ006 SQJ007 SQJ008 SQJ009 SQJ010 SQJ011 SQJ012 SQJ013 SQJ014 SQJ015 SQJ016 SQJ090 SQJ091 SQJ092 SQJ093 SQJ094 SQJ101 SQJ102 SQJ103 SQJ104 SQJ105 SQJ106 SQJ107 SQJ108 SQJ109 SQJ110 SQJ111 SQJ112 SQJ113 SQJ114 SQJ115 SQJ120 SQJ121 SQJ122 SQJ123 SQJ201 SQJ202 SQJ203 SQJ204 SQJ205 SQJ206 SQJ207 SQJ301 SQJ302 SQJ303 SQJ304 SQJ305 SQJ306 SQJ307 SQJ308 SQJ309 SQJ310 SQJ311 SQJ312 SQJ320 SQJ321 SQJ401 SQJ402 SQJ403 SQJ404 SQJ405 SQJ406 SQJ407 SQJ408 SQJ409 SQJ410 SQJ411 SQJ412 SQJ413 SQJ414 SQJ415 SQJ416 SQJ417 SQJ418 SQJ419 SQJ420 SQJ421 SQJ422 SQJ501 SQJ502 SQJ503 SQJ504 SQJ505 SQJ506 SQJ507 SQJ508 SQJ509 SQJ510 SQJ511 SQJ512 SQJ513 SQJ514 SQJ515 SQJ516 SQJ517 SQJ518 SQJ530 SQJ531 SQJ532 SQJ540 SQJ541 SQJ542 SQJ543 SQJ601 SQJ602 SQJ603 SQJ604 SQJ605 SQJ606 SQJ611 SQJ612 SQJ613 SQJ614 SQJ615 SQJ616 SQJ617 SQJ618 SQJ621 SQJ622 SQJ623 SQJ624 SQJ631 SQJ632 SQJ633 SQJ641 SQJ642 SQJ643 SQJ644 SQJ651 SQJ652 SQJ653 SQJ654 SQJ655 SQJ656 SQJ701 SQJ702 SQJ703 SQJ704 SQJ705 SQJ706 SQJ707 SQJ708 SQJ709 SQJ710 SQJ711 SQJ712 SQJ713 SQJ714 SQJ715 SQJ716 SQJ717 SQJ718 SQJ719 SQJ720 SQJ721 SQJ722 SQJ723 SQJ724 SQJ725 SQJ726 SQJ740 SQJ741 SQJ742 SQJ730 SQJ731 SQJ732 SQJ733 SQJ734 SQJ735 SQJ901 SQJ902 SQJ903 SQJ904 SQJ905 E100 E130 E143 E200 E201 E202 E203 E204 E205 E206 E207 E208 E209 E210 E211 E212 E213 E214 E215 E216 E220 E221 E222 E223 E224 E225 E226 E230 E240 E241 E300 E301 E302 E304 E310 E311 E312 E315 E320 E313 E314 E330 E340 E400 E402 E403 E410 E411 E500 E502 E503 E504 E505 E506 E507 E510 E520 E600 E601 E602 E603 E604 E605 E610 E611 E620 E630 E700 E701 E702 E710 E800 E801 invalid_input invalid_output policy_violation timeout resource_exhausted cancelled target_error target_unavailable infrastructure worker_lost crash_loop callback_error dependency_failed internal|||list' ;;
    'validate --dsn' | 'replay --dsn' | 'enqueue --dsn' | 'list --dsn' | 'count --dsn' | 'errors --dsn' | 'show --dsn' | 'logs --dsn' | 'tail --dsn' | 'wait --dsn' | 'top --dsn' | 'stats --dsn' | 'schedules list --dsn' | 'report --dsn' | 'retry --dsn' | 'cancel --dsn' | 'discard --dsn' | 'changes list --dsn' | 'changes show --dsn' | 'changes resume --dsn' | 'pause --dsn' | 'pause set --dsn' | 'pause list --dsn' | 'resume --dsn' | 'breaker list --dsn' | 'breaker reset --dsn' | 'rescue --dsn' | 'worker --dsn' | 'worker start --dsn' | 'worker list --dsn' | 'worker drain --dsn' | 'db init --dsn' | 'db migrate --dsn' | 'db status --dsn' | 'db prune --dsn' | 'db callbacks list --dsn' | 'db callbacks register --dsn' | 'db callbacks remove --dsn' | 'db callbacks discover --dsn' | 'db callbacks retry --dsn' | 'db callbacks limit --dsn' | 'audit list --dsn' | 'audit verify --dsn' | 'doctor --dsn' | 'config show --dsn') REPLY='embedded|||' ;;
    'validate -p' | 'validate --profile' | 'replay -p' | 'replay --profile' | 'enqueue -p' | 'enqueue --profile' | 'list -p' | 'list --profile' | 'count -p' | 'count --profile' | 'errors -p' | 'errors --profile' | 'show -p' | 'show --profile' | 'logs -p' | 'logs --profile' | 'tail -p' | 'tail --profile' | 'wait -p' | 'wait --profile' | 'top -p' | 'top --profile' | 'stats -p' | 'stats --profile' | 'schedules list -p' | 'schedules list --profile' | 'report -p' | 'report --profile' | 'retry -p' | 'retry --profile' | 'retry --confirm' | 'cancel -p' | 'cancel --profile' | 'cancel --confirm' | 'discard -p' | 'discard --profile' | 'discard --confirm' | 'changes list -p' | 'changes list --profile' | 'changes show -p' | 'changes show --profile' | 'changes resume -p' | 'changes resume --profile' | 'pause -p' | 'pause --profile' | 'pause set -p' | 'pause set --profile' | 'pause list -p' | 'pause list --profile' | 'resume -p' | 'resume --profile' | 'breaker list -p' | 'breaker list --profile' | 'breaker reset -p' | 'breaker reset --profile' | 'rescue -p' | 'rescue --profile' | 'rescue --confirm' | 'worker -p' | 'worker --profile' | 'worker start -p' | 'worker start --profile' | 'worker list -p' | 'worker list --profile' | 'worker drain -p' | 'worker drain --profile' | 'db init -p' | 'db init --profile' | 'db migrate -p' | 'db migrate --profile' | 'db status -p' | 'db status --profile' | 'db prune -p' | 'db prune --profile' | 'db prune --confirm' | 'db callbacks list -p' | 'db callbacks list --profile' | 'db callbacks register -p' | 'db callbacks register --profile' | 'db callbacks remove -p' | 'db callbacks remove --profile' | 'db callbacks discover -p' | 'db callbacks discover --profile' | 'db callbacks retry -p' | 'db callbacks retry --profile' | 'db callbacks limit -p' | 'db callbacks limit --profile' | 'audit list -p' | 'audit list --profile' | 'audit verify -p' | 'audit verify --profile' | 'doctor -p' | 'doctor --profile' | 'config show -p' | 'config show --profile') REPLY='|profile||' ;;
    'services list -o' | 'services list --output' | 'schema list -o' | 'schema list --output' | 'list -o' | 'list --output' | 'count -o' | 'count --output' | 'errors -o' | 'errors --output' | 'tail -o' | 'tail --output' | 'stats -o' | 'stats --output' | 'schedules list -o' | 'schedules list --output' | 'changes list -o' | 'changes list --output' | 'pause list -o' | 'pause list --output' | 'breaker list -o' | 'breaker list --output' | 'worker list -o' | 'worker list --output' | 'audit list -o' | 'audit list --output') REPLY='text json jsonl tsv markdown|||' ;;
    'explain -o' | 'explain --output') REPLY='text json markdown|||' ;;
    'enqueue --tenant' | 'list --tenant' | 'count --tenant' | 'errors --tenant' | 'tail --tenant' | 'stats --tenant' | 'report --tenant' | 'retry --tenant' | 'cancel --tenant' | 'discard --tenant' | 'pause --tenant' | 'pause set --tenant' | 'resume --tenant') REPLY='|tenant||list' ;;
    'enqueue --after') REPLY='|id||list' ;;
    'enqueue --on-failed-dependency') REPLY='fail skip run|||' ;;
    'list -s' | 'list --status' | 'count -s' | 'count --status' | 'errors -s' | 'errors --status' | 'tail -s' | 'tail --status' | 'stats -s' | 'stats --status' | 'retry -s' | 'retry --status' | 'cancel -s' | 'cancel --status' | 'discard -s' | 'discard --status') REPLY='pending running completed failed cancelled|||list' ;;
    'list --service' | 'count --service' | 'errors --service' | 'tail --service' | 'stats --service' | 'report --service' | 'retry --service' | 'cancel --service' | 'discard --service' | 'pause --service' | 'pause set --service' | 'resume --service' | 'worker --services' | 'worker start --services' | 'audit list --service') REPLY='|service||list' ;;
    'list --operation' | 'count --operation' | 'errors --operation' | 'tail --operation' | 'stats --operation' | 'report --operation' | 'retry --operation' | 'cancel --operation' | 'discard --operation' | 'pause --operation' | 'pause set --operation' | 'resume --operation' | 'audit list --operation') REPLY='|operation||list' ;;
    'list --type' | 'count --type' | 'errors --type' | 'tail --type' | 'stats --type' | 'report --type' | 'retry --type' | 'cancel --type' | 'discard --type' | 'pause --type' | 'pause set --type' | 'resume --type' | 'worker --types' | 'worker start --types') REPLY='http shell docker serverless|||list' ;;
    'list --worker' | 'count --worker' | 'errors --worker' | 'tail --worker' | 'stats --worker' | 'retry --worker' | 'cancel --worker' | 'discard --worker' | 'rescue --worker' | 'audit list --worker') REPLY='|worker||list' ;;
    'list --category' | 'count --category' | 'errors --category' | 'tail --category' | 'stats --category' | 'retry --category' | 'cancel --category' | 'discard --category') REPLY='invalid_input invalid_output policy_violation timeout resource_exhausted cancelled target_error target_unavailable infrastructure worker_lost crash_loop callback_error dependency_failed internal|||list' ;;
    'list --fingerprint' | 'count --fingerprint' | 'errors --fingerprint' | 'tail --fingerprint' | 'stats --fingerprint' | 'retry --fingerprint' | 'cancel --fingerprint' | 'discard --fingerprint') REPLY='|fingerprint||list' ;;
    'logs -o' | 'logs --output') REPLY='text json jsonl|||' ;;
    'logs --stream') REPLY='stdout stderr http|||' ;;
    'db callbacks register --on' | 'db callbacks remove --on') REPLY='|operation||' ;;
    'db callbacks register --outcome' | 'db callbacks remove --outcome') REPLY='success failure|||' ;;
    *) return 1 ;;
  esac
}

# Remembered names of the kinds $1.
_specql_jobs_known() {
  local file="${XDG_CACHE_HOME:-$HOME/.cache}/specql-jobs/names.tsv"
  [[ -r $file ]] || return 0
  awk -F '\t' 'BEGIN { kinds = "," ARGV[1] ","; here = ARGV[2] "/"; profile = ARGV[3]; ARGV[1] = ARGV[2] = ARGV[3] = "" }
index(kinds, "," $1 ",") {
  line = $3 "\t" $4
  all[++count] = line
  if ($2 == "" || profile == "" && substr($2, 1, 1) == "@" || $2 == "@" profile || index(here, $2 "/") == 1 ||
    index($2 "/", here) == 1) { near = near line "\n" }
}
END { if (near != "") printf "%s", near; else for (i = 1; i <= count; i++) print all[i] }' "$1" "$PWD" "$(_specql_jobs_profile)" "$file" 2>/dev/null | cut -f 1
}

_specql_jobs_profile() {
  local i
  for ((i = 1; i < ${#COMP_WORDS[@]}; i++)); do
    case ${COMP_WORDS[i]} in
      -p | --profile) [[ ${COMP_WORDS[i + 1]} == = ]] && i=$((i + 1)); printf '%s' "${COMP_WORDS[i + 1]}"; return ;;
    esac
  done
  printf '%s' "${SPECQL_JOBS_PROFILE:-}"
}

# Offer the words $2 and the remembered kinds $3 that begin as the word $1; in a list, as its last part.
_specql_jobs_offer() {
  local word=$1 before='' known
  if [[ $4 == list ]]; then
    [[ $word == *,* ]] && before=${word%,*},
    word=${word##*,}
    [[ $word == '!'* ]] && before=$before'!' && word=${word#!}
  fi
  known=$2
  [[ -n $3 ]] && known="$known"$'\n'"$(_specql_jobs_known "$3")"
  local IFS=$' \t\n' found
  for found in $known; do
    [[ $found == "$word"* ]] && COMPREPLY+=("$before$found")
  done
}

_specql_jobs_files() {
  local IFS=$'\n' found
  for found in $(compgen -f -- "$1"); do COMPREPLY+=("$found"); done
  compopt -o filenames 2>/dev/null
}

# FITS is words|kinds|files|list
_specql_jobs_fit() {
  local words kinds files list
  IFS='|' read -r words kinds files list <<<"$2"
  _specql_jobs_offer "$1" "$words" "$kinds" "$list"
  [[ -n $files ]] && _specql_jobs_files "$1"
}

# bash breaks words at = and :, so the word and the one before it are taken from the line itself.
_specql_jobs() {
  local line=${COMP_LINE:0:COMP_POINT} path='' i REPLY word before colon
  word=${line##*[[:space:]=]}
  line=${line%"$word"}
  line=${line%"${line##*[![:space:]=]}"}
  before=${line##*[[:space:]]}
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    _specql_jobs_below "$path"
    [[ " $REPLY " == *" ${COMP_WORDS[i]} "* ]] || break
    path="${path:+$path }${COMP_WORDS[i]}"
  done
  if [[ $before == -* ]] && _specql_jobs_value "$path $before"; then
    _specql_jobs_fit "$word" "$REPLY"
  elif [[ $word == -* ]]; then
    _specql_jobs_options "$path"
    _specql_jobs_offer "$word" "$REPLY" '' ''
  else
    _specql_jobs_below "$path"
    [[ $i == "$COMP_CWORD" ]] && _specql_jobs_offer "$word" "$REPLY" '' ''
    _specql_jobs_arguments "$path"
    _specql_jobs_fit "$word" "$REPLY"
  fi
  colon=${word%"${word##*:}"}
  COMPREPLY=("${COMPREPLY[@]#"$colon"}")
}

complete -F _specql_jobs specql-jobs
