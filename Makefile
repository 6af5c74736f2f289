# Everything a developer does, one target each. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.made
# The locks name every package, so pip has nothing to resolve.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
WORKERS ?= 2
SECONDS_EACH ?= 30
# Settings of `make run`, e.g. make run HTTP=127.0.0.1:9000 DATA_DIR=/tmp/sautikit
HTTP ?=
SIP ?=
DATA_DIR ?=

.PHONY: help setup run test lint types format format-check check fuzz bench openapi lock clean

help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36m%-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything in it (and nothing else).

$(STAMP): $(RUNS) requirements-dev.lock
	@echo "Installing what the tests need …"
	@$(INSTALL) -r requirements-dev.lock
	@touch $(STAMP)

$(RUNS): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Sautikit needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not here)."; \
	  echo "Install one (apt install python3 python3-venv; brew install python), or name it: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) comes without venv here. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing $$(grep -c '^[a-z].*==' requirements.lock) packages into $(VENV), once (about a minute) …"
	@$(INSTALL) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(RUNS)

run: $(RUNS) ## Serve everything here and show a first call as it happens.
	@exec $(BIN)/sautikitd demo $(if $(DATA_DIR),--data-dir $(DATA_DIR)) $(if $(HTTP),--http $(HTTP)) $(if $(SIP),--sip $(SIP))

test: setup ## Run the whole suite.
	$(BIN)/python -m pytest -n $(WORKERS) -q

lint: setup ## Look for mistakes (ruff).
	$(BIN)/ruff check src tests bench fuzz examples

types: setup ## Check types, strictly (mypy).
	$(BIN)/mypy

format: setup ## Put the code in shape (ruff).
	$(BIN)/ruff check --fix --select I src tests bench fuzz examples
	$(BIN)/ruff format src tests bench fuzz examples

format-check: setup ## Say whether the code is in shape.
	$(BIN)/ruff format --check src tests bench fuzz examples

check: lint types format-check test ## Everything CI looks at.

fuzz: setup ## Feed every reader of what strangers send with ever odder input: make fuzz SECONDS_EACH=600.
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
	  $(INSTALL) -r requirements-fuzz.lock
	$(BIN)/python fuzz/guided.py $(SECONDS_EACH)

bench: setup ## Measure: calls a second, legs a core, latencies. Takes minutes.
	@for script in $(filter-out bench/processor_time.py,$(wildcard bench/*.py)) bench/api/measure.py bench/voice; do echo "── $$script"; PYTHONPATH=src $(BIN)/python $$script || exit 1; done

openapi: setup ## Renew docs/openapi.json, the document that later versions must not break.
	$(BIN)/python -m sautikitd.api_document docs/openapi.json

lock: ## Write the lock files anew from pyproject.toml (needs uv).
	@command -v uv >/dev/null || { echo "make lock needs uv, the one tool that locks for every platform at once."; exit 1; }
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --python-version 3.11 pyproject.toml --group build --output-file requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --python-version 3.11 pyproject.toml --group dev --output-file requirements-dev.lock
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --python-version 3.11 --group fuzz --output-file requirements-fuzz.lock
	printf 'swift\nsetuptools<81\n' | uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --python-version 3.11 - --output-file requirements-swift.lock

clean: ## Remove what is made here; your data in data/ stays.
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
	find src tests bench fuzz examples -name __pycache__ -type d -prune -exec rm -rf {} +
