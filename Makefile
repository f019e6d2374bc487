# Lakepost. `make demo` sees it work, `make test` proves it. Everything stays in .venv and .local.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: .venv/.ready ## the virtual environment and, where missing, Debian's RabbitMQ

.venv/.ready: requirements.txt requirements-uv.txt pyproject.toml infra/local/debian.sh
	bash infra/local/debian.sh
	$(PYTHON) -c 'import sys; sys.exit("Lakepost needs Python 3.11 or newer: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo: setup ## 100,000 events through a real broker and a real scheduler, checked against the ledger of what was sent
	$(BIN)/python infra/local/demo.py

test: setup check ## lint, types, import contracts, and every test
	$(BIN)/pytest

soak: setup ## the long forms of tests: races with processes killed at random, memory, hostile batches (half an hour)
	$(BIN)/pytest -m soak

check: setup ## lint, types, import contracts, and what a change of a data contract breaks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	bash .ci/contracts

up: setup ## the stack on this machine: broker, lake, Airflow with its UI
	$(BIN)/python infra/local/stack.py up

down: setup ## stop what `make up` started; the data stays
	$(BIN)/python infra/local/stack.py down

bench: setup ## land against a C reader that keeps nothing; curate against bare pyarrow and dlt; what rebuild reads; commits with upkeep; a change feed
	PYTHONPATH=infra/local $(BIN)/python tests/bench/run.py
	$(BIN)/python tests/bench/curate.py
	PYTHONPATH=. $(BIN)/python tests/bench/commits.py
	PYTHONPATH=infra/local:. $(BIN)/python tests/bench/change_feed.py

lock: setup ## write the locked requirements anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --python-version 3.11 --universal --no-emit-index-url --no-header --generate-hashes \
	  --all-extras pyproject.toml --output-file requirements.txt

.PHONY: help setup demo test soak check up down bench lock
