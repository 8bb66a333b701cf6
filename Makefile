# SPDX-License-Identifier: GPL-3.0-or-later
# Set-up, the main job and the tests. `make` alone lists the targets.
#   VENV=folder    where the environment goes (default .venv)
#   PYTHON=path    the interpreter it is made with (default: the first Python 3.12 or 3.13 that works)
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test setup cuda lock lint clean
SHELL := /bin/bash

VENV ?= .venv
CONFIG ?= configs/ketamine.yaml
ARGS ?=
JOBS ?=
PIP = "$(VENV)/bin/python" -m pip install --quiet --disable-pip-version-check
# Made last, so that a set-up cut short is not taken for done.
READY = $(VENV)/.ready

# The first candidate that RUNS and fits: a pyenv shim may exist and still fail.
find_python = for p in "$$PYTHON" python3.13 python3.12 \
    "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[23].*/bin/python python3 python; do \
  [ -n "$$p" ] && "$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 14))' \
    >/dev/null 2>&1 && { command -v "$$p"; exit 0; }; done; \
  echo "pfc needs Python 3.12 or 3.13 with its venv module and found none: install python3.12 and python3.12-venv with" \
    "your package manager, or name an interpreter with 'make PYTHON=/path/to/python3.12 ...'" >&2; exit 1
export PYTHON

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

run: $(READY) ## set up, then run CONFIG (default configs/ketamine.yaml) into results/; ARGS='--set seed=2' passes options
	@"$(VENV)/bin/pfc" run "$(CONFIG)" $(ARGS)

test: $(READY) ## set up, then run every test this machine can run; FAST=1 leaves out the slow ones, JOBS=2 runs two at a time
	@"$(VENV)/bin/python" -m pytest $(if $(FAST),,-m "") $(if $(JOBS),-n $(JOBS) --dist loadfile) $(ARGS)

setup: $(READY) ## make or bring up to date the environment in VENV
	@echo "$(VENV) is ready"

# A folder that this Makefile began and did not finish is thrown away; one with no such mark is added to.
$(READY): requirements.txt pyproject.toml
	@set -euo pipefail; py=$$($(find_python)); \
	if [ -e "$(VENV)" ] && [ ! -e "$(VENV)/pyvenv.cfg" ] && [ -n "$$(ls -A "$(VENV)")" ] && [ ! -e "$(VENV)/.unfinished" ]; \
	then echo "VENV=$(VENV) is there and is no Python environment: name another folder" >&2; exit 1; fi; \
	[ ! -e "$(VENV)/.unfinished" ] || rm -rf "$(VENV)"; \
	echo "setting up $(VENV) with $$py (about a minute where the packages have to be fetched)"; \
	mkdir -p "$(VENV)"; [ -e "$(VENV)/pyvenv.cfg" ] || touch "$(VENV)/.unfinished"; rm -f "$@"; \
	[ -e "$(VENV)/bin/python" ] || "$$py" -m venv "$(VENV)"; \
	$(PIP) --require-hashes -r requirements.txt; \
	$(PIP) --no-deps --no-build-isolation -e .; \
	rm -f "$(VENV)/.unfinished"; touch "$@"

cuda: $(VENV)/.cuda ## add a CUDA compiler to the environment (400 MB): for a GPU's driver without a toolkit, or one without cuRAND
	@echo "$(VENV) has a CUDA compiler; pfc doctor --device cuda tries it"

$(VENV)/.cuda: requirements-cuda.txt $(READY)
	@$(PIP) --require-hashes -r requirements-cuda.txt
	@touch "$@"

# uv only writes these files; nobody needs it to use the project. No address gets in: whoever installs uses their own
# index.
LOCK = uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.12
EXTRA = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["cuda"])
lock: ## write requirements.txt and requirements-cuda.txt anew from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv on PATH: pip install uv" >&2; exit 1; }
	@set -euo pipefail; py=$$($(find_python)); \
	$(LOCK) --group dev --python "$$py" pyproject.toml -o requirements.txt; \
	"$$py" -c '$(EXTRA)' | $(LOCK) --python "$$py" - -o requirements-cuda.txt

lint: $(READY) ## check style and formatting mistakes
	@"$(VENV)/bin/ruff" check .

clean: ## remove what tools left behind; keeps the environment and results/
	@rm -rf .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	@find circuit gpu figures tests -name __pycache__ -type d -prune -exec rm -rf {} +
