# A stock Python 3.11 or 3.12 with pip, and make, are enough: the first target run builds .venv from requirements.lock.
# Another interpreter: make test PYTHON=/path/to/python3.12; where neither is on the PATH and uv is, uv brings 3.12.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements.lock
# Windows, state, wire, features, configuration, what was saved long ago, and one job in all ways of running it.
QUICK := tests/golden tests/engine/test_same_alerts.py tests/oracle tests/unit/state tests/unit/wire tests/unit/api \
	tests/unit/config tests/unit/alerting tests/unit/operators
KAFKA_JARS := $(VENV)/kafka
SITE := $(VENV)/site
ZENSICAL := zensical==0.0.73 # in an environment of its own: 90 MB that nothing else needs
ARGS ?=
LOCK_PYTHON ?= python3.11
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The first of these that is 3.11 or 3.12 and can make environments with pip; version managers leave stand-ins on the PATH.
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
find_python = for p in $(or $(PYTHON),python3.12 python3.11 python3 python); do \
	if "$$p" -c '$(FITS)' >/dev/null 2>&1; then echo "$$p"; break; fi; done
# One that uv keeps, on machines whose own Python is newer; whoever named an interpreter wants that one.
fetch_python = if [ -z "$(PYTHON)" ] && command -v uv >/dev/null; then \
	echo "No Python 3.11 or 3.12 with pip and venv on the PATH: uv brings 3.12." >&2; \
	UV_PYTHON_INSTALL_BIN=0 uv python install 3.12 >&2 && uv python find --python-preference only-managed 3.12 || true; fi

.PHONY: help run test quick test-kafka check fmt docs site bench chaos lock bill clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(STAMP) ## Simulate a day of a streaming platform and find the fraud in it (ARGS="--help" for more)
	@$(BIN)/driftnet run $(ARGS)

test: check ## Format, lint, types, import rules, tests (ARGS="-k windows" narrows the tests)
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal $(ARGS)

quick: $(STAMP) ## Format, lint, a chosen part of the tests: under a minute on two cores
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run 'make fmt'."; exit 1; }
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/python -m pytest -q -n 2 $(QUICK) $(ARGS)

test-kafka: $(STAMP) ## The tests on Kafka against Apache Kafka's own broker (needs Java 17 and Maven)
	@mvn --quiet --file tests/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(KAFKA_JARS)
	@DRIFTNET_KAFKA_JARS=$(CURDIR)/$(KAFKA_JARS) $(BIN)/python -m pytest -q -n 2 tests/kafka $(ARGS)

check: $(STAMP) ## Format, lint, types, import rules
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run 'make fmt'."; exit 1; }
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .import_rules.log 2>&1 || { cat .import_rules.log; rm -f .import_rules.log; exit 1; }
	@rm -f .import_rules.log

fmt: $(STAMP) ## Format, sort imports, wrap the prose of pages
	@$(BIN)/ruff check --quiet --select I --fix .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/python -m tests.docs.pages wrap

docs: $(STAMP) ## Write the generated pages of docs/
	@$(BIN)/python -m flows.config.reference > docs/configuration.md
	@$(BIN)/python -m flows.streams.reference docs
	@$(BIN)/python -m flows.counters > docs/counters.md
	@$(BIN)/python -m flows.metrics.reference > docs/metrics.md
	@$(BIN)/python -m detectors.features.reference docs/features.md
	@$(BIN)/python -m driftnet._reference api > docs/api.md
	@$(BIN)/python -m driftnet._reference plug_ins > docs/plug_ins.md

site: $(STAMP) ## Make a site of the pages in out/site/, and look at all links (fetches Zensical on first use)
	@test -x $(SITE)/bin/zensical || { $(BIN)/python -m venv $(SITE) && $(SITE)/bin/pip install --quiet $(ZENSICAL); }
	@$(BIN)/python -m tests.docs.pages collect out/pages
	@NO_COLOR=1 $(SITE)/bin/zensical build --strict --clean

bench: $(STAMP) ## Measure scenarios, layers, quality; write a report (ARGS="zipf --only growth", ARGS="compare main HEAD")
	@$(BIN)/driftnet bench $(ARGS)

chaos: $(STAMP) ## End runs 500 times at seeded places and compare what they say (ARGS="--kills 50 --seed 7")
	@$(BIN)/python -m tests.simulation.chaos $(ARGS)

lock: ## Choose new versions: rewrite requirements.lock; then make bill (LOCK_PYTHON: a Python 3.11)
	@$(LOCK_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "A lock made on 3.12 can hold versions that 3.11 cannot install: make lock LOCK_PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(LOCK_PYTHON) -m venv --clear $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet pip-tools
	@rm -f requirements.lock && $(VENV)/lock/bin/pip-compile --quiet --all-extras --strip-extras --allow-unsafe --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --no-header --no-annotate \
		--output-file requirements.lock pyproject.toml
	@sed -i '/^#/d; /^$$/d' requirements.lock

bill: $(STAMP) ## Write what the image installs: deploy/requirements.lock, deploy/sbom.cdx.json, NOTICE
	@$(BIN)/python deploy/bill.py

clean: ## Remove the environment and all caches
	@rm -rf $(VENV) *.egg-info build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks

$(STAMP): $(LOCK) pyproject.toml
	@python=$$($(find_python)); python=$${python:-$$($(fetch_python))}; \
	if [ -z "$$python" ]; then \
		echo "Driftnet needs Python 3.11 or 3.12 with pip and venv; tried: $(or $(PYTHON),python3.12 python3.11 python3 python)." >&2; \
		echo "Name one that fits: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12, or install uv, which brings one." >&2; exit 2; \
	fi; \
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -c '$(FITS)' >/dev/null 2>&1; then "$$python" -m venv --clear $(VENV); fi; \
	echo "Installing into $(VENV) ($$($(BIN)/python --version)); this happens once for each change of the lock."
	@$(BIN)/python -m pip install --quiet --require-virtualenv -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --require-virtualenv --no-deps --no-build-isolation -e .
	@touch $(STAMP)
