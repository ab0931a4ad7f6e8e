# Two commands do everything on a fresh machine with Python 3.11+ and make:
#   make demo   watch the loop close, then look around at http://127.0.0.1:8686
#   make test   run the whole test suite

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help .venv dev demo test check bench chromium clean

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
BUILT_FROM := pyproject.toml constraints.txt $(wildcard hatch_build.py) \
	$(shell find web -type f -not -path '*/node_modules/*' 2>/dev/null)
TESTS ?=

help:  ## Say what can be made.
	@grep -hE '^[.a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

.venv: .venv/.installed  ## Install Loopline with its pinned requirements.

dev: .venv/.installed-dev  ## Install what testing needs as well.

demo: .venv/.installed  ## Run the demo; the pages stay up at http://127.0.0.1:8686.
	@$(BIN)/loopline demo

test: .venv/.installed-dev chromium  ## Run every test; TESTS="tests/loop -x" runs some.
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

check test: export PYTHONDONTWRITEBYTECODE =  # compiled tests are kept: a fifth of the gate's time

check: .venv/.installed-dev  ## The gate: lint, format, types, layers, sizes, fast tests, doctests.
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -n 2 --hypothesis-profile=gate -m "not slow and not service and not browser"

bench: .venv/.installed-dev  ## Run every benchmark; each ends with one JSON object.
	@shopt -s nullglob; files=(benchmarks/*.py); (( $${#files[@]} )) || echo "benchmarks/ holds no benchmark"
	@shopt -s nullglob; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

clean:  ## Remove everything that was made here, except what loops have stored.
	@rm -rf .venv dist build web/node_modules src/loopline/apps/web/static
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that is new enough. A name on PATH is not proof: it is asked.
.venv/bin/python:
	@for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making .venv with $$("$$name" --version)"; \
	    "$$name" -m venv .venv || { rm -rf .venv; echo "this Python cannot make a virtual environment; on Debian install python3-venv" >&2; exit 2; }; \
	    exit 0; \
	  fi; \
	done; \
	echo "no Python 3.11 or later on PATH ($$(python3 --version 2>&1 || true)); install one, then run make again" >&2; exit 2

.venv/.installed: $(BUILT_FROM) | .venv/bin/python
	@echo "installing Loopline and its pinned requirements into .venv"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

.venv/.installed-dev: $(BUILT_FROM) | .venv/bin/python
	@echo "installing Loopline and what testing needs into .venv"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch .venv/.installed $@

# The browser tests drive Debian's Chromium. Without it they are skipped, and this says so.
chromium:
	@for name in chromium chromium-browser google-chrome; do ! command -v "$$name" >/dev/null || exit 0; done; \
	as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
	if command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
	  echo "installing Chromium for the browser tests"; \
	  { $$as_root apt-get update && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >.venv/chromium.log 2>&1 \
	    || { tail -n 3 .venv/chromium.log; echo "NOTE: Chromium could not be installed: the browser tests are skipped"; }; \
	else \
	  echo "NOTE: no Chromium here and no right to install it: the browser tests are skipped"; \
	fi
