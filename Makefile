# Every target does its own set-up. Wanted beforehand: Python 3.11 or newer, and make.
PYTHON ?= python3
BIN := .venv/bin
WHEEL_PYTHON := build/wheel-env/bin/python
TESTS ?= tests
MYPY_CACHE ?= .mypy_cache
# A machine may stand still for longer than a test waits: such a test runs once more, and the summary names it.
LATE := --reruns 1 --only-rerun 'waited .* in vain' --only-rerun TimeoutError
# Tests that compute beside those that mostly wait: side by side they take little more than the longer of the two.
BUSY := tests/unit tests/test_house.py tests/test_readme.py $(filter-out tests/cli/test_run_docker.py $(wildcard tests/cli/test_incident_*.py),$(wildcard tests/cli/test_*.py))
BUSY_SAYS := build/busy-tests.txt

.DEFAULT_GOAL := help
.PHONY: help dev demo check wheel test bench docs gen

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-7s %s\n", $$1, $$2 }'

dev: ## Set up .venv, and bubblewrap and a container engine where this user may install them
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not here: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is wanted, and $(PYTHON) is older: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) .ci/setup.py

demo: dev ## See the whole thing at work, in under a minute
	@$(BIN)/specql-jobs demo

check: dev ## Lint, format, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=.typecheck $(BIN)/mypy --cache-dir $(MYPY_CACHE) -p specql_jobs
	PYTHONPATH=.typecheck $(BIN)/lint-imports

wheel: dev
	@$(BIN)/python .ci/wheel.py

test: check wheel ## Check, then run all tests against the built wheel (TESTS=path for some)
ifeq ($(TESTS),tests)
	@$(WHEEL_PYTHON) .ci/interruptible.py $(WHEEL_PYTHON) -P -m pytest $(LATE) $(BUSY) > $(BUSY_SAYS) 2>&1 & busy=$$!; \
	  $(WHEEL_PYTHON) -P -m pytest $(LATE) tests $(BUSY:%=--ignore=%); waiting=$$?; \
	  wait $$busy; busy=$$?; cat $(BUSY_SAYS); exit $$((waiting | busy))
else
	$(WHEEL_PYTHON) -P -m pytest $(LATE) $(TESTS)
endif

bench: dev ## Measure the queue beside peers and floors: a table and a plot (10 to 15 minutes)
	$(BIN)/python benchmarks/run.py

docs: gen ## Bring the generated pages up to date and check every link
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_readme.py -k "docs or links or readme"

gen: dev ## Write the generated files again: completions, manual pages, docs/lifecycle.md, schemas
	$(BIN)/python .ci/gen.py
