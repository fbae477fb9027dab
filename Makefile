# `make run` and `make test` need nothing but Python 3.11 or newer: uv is put into .uv/ where it is missing.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
EXPERIMENT ?= bundestag_char
UV := $(shell command -v uv || echo .uv/bin/uv)
# In parallel, any order, and no warning passes.
PYTEST := $(UV) run pytest -n auto --dist worksteal -W error --strict-markers --strict-config

.PHONY: help setup run test test-nightly unit integration e2e acceptance fuzz coverage format lint pyright mypy quality tensorboard bench screenshots clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv

setup: $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv) ## Install everything into .venv (and uv into .uv where it is missing)
	$(UV) sync

run: setup ## Run the main job: EXPERIMENT=bundestag_char by default
	$(UV) run mlp-run experiment=$(EXPERIMENT)

test: setup ## Run all tests
	$(PYTEST) -v $(COVERAGE)

test-nightly: setup ## Run the long forms of the hostile tests
	$(PYTEST) -v -m nightly

unit: setup ## Run the unit tests
	$(PYTEST) tests/unit

integration: setup ## Run the integration tests
	$(PYTEST) tests/integration

e2e: setup ## Run the tests of the commands
	$(PYTEST) tests/e2e

acceptance: setup ## Run the tests of what the project promises
	$(PYTEST) tests/acceptance

fuzz: setup ## Run 2,000 damaged files and 500 damaged folders, for some minutes
	$(PYTEST) -v -m fuzz tests/fuzz

coverage: COVERAGE = --cov --cov-report=term-missing:skip-covered
coverage: test ## Run all tests with branch coverage, at least 95 %

format: setup ## Format the code
	$(UV) run ruff format .
	$(UV) run ruff check --fix .

lint: setup ## Check style and formatting
	$(UV) run ruff check .
	$(UV) run ruff format --check .

mypy: setup ## Check types with mypy, strict
	$(UV) run mypy

pyright: setup ## Check types with pyright, strict
	$(UV) run pyright

deps: setup ## Check that dependencies are declared and used
	$(UV) run deptry .

quality: lint deps mypy pyright coverage ## Everything that must hold before a commit

canary: setup ## Run all tests with the newest versions of the dependencies; uv.lock stays as it is
	rm -rf .canary && mkdir .canary && git ls-files -z | xargs -0 cp --parents -t .canary
	cd .canary && $(abspath $(UV)) lock --upgrade && $(MAKE) test UV=$(abspath $(UV))
	rm -rf .canary

tensorboard: setup ## Open the curves of all runs
	$(UV) run tensorboard --logdir outputs --host 127.0.0.1

bench: setup ## Measure side by side with nanoGPT (NANOGPT=path/to/its/checkout)
	$(UV) run python -m benchmarks

screenshots: setup ## Make the pictures of docs/images with headless Chromium
	$(UV) run python tools/screenshots.py

clean: ## Remove caches and builds; runs and environments stay
	rm -rf dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -not -path './.uv/*' -prune -exec rm -rf {} +
