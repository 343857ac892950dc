# Everything a checkout can do. `make setup` goes first by itself, and is a matter of a moment once it was done.
PYTHON ?= python3
BIN := .venv/bin
N ?= 5
JOBS ?= 3
PYTEST := $(BIN)/pytest
# What the tests of one go leave out: measurements, what needs a Docker engine, and what takes minutes.
EVERYDAY := not (chaos or bench or docker or soak or slow)
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-browser test-docker check format bench bench-judging seeds planted lawful mutations interleave lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: ## make .venv and .stormproof (once; at most 3 minutes; nothing outside the checkout)
	@$(PYTHON) -m tools.setup

demo: setup ## what the tool is for, in about two minutes, with a report at the end
	@$(BIN)/stormproof demo

test: setup ## the tests
	$(PYTEST) -n 2 --dist worksteal -m "$(EVERYDAY)"

test-all: setup ## the tests, the slow ones and the whole catalogue too
	$(PYTEST) -n 2 --dist worksteal -m "not (bench or docker or soak)"

test-browser: setup ## the tests in a real Chromium
	$(PYTEST) -m browser

test-docker: setup ## the tests on a Docker engine (a private one for the while, as root with dockerd)
	$(BIN)/python -m tools.docker_engine $(PYTEST) -m docker

check: setup ## format, lint, types, direction of imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## put the code into the project's format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: setup ## measurements: ratios within one run
	$(PYTEST) -m bench --ignore tests/bench/test_judging.py

bench-judging: setup ## how long judging takes, and in what memory: 300 events, a million jobs, a day
	$(PYTEST) -m bench tests/bench/test_judging.py

seeds: setup ## false alarms: the catalogue on the reference, N=5 times with other seeds, half of them beside a CPU hog
	$(BIN)/stormproof seeds -n $(N) --jobs $(JOBS) --hog half --table docs/seeds.md --resume

planted: setup ## each planted bug through the whole catalogue, beside the queue without one; a table bug by checker
	$(BIN)/stormproof planted --jobs $(JOBS) --table docs/planted.md

lawful: setup ## 100,000 histories of lawful queues through every checker: none may find anything
	$(BIN)/python -m tests.lawful --n 100000 --first 20261124000000

mutations: setup ## recorded histories made unlawful: which checker notices how many
	$(BIN)/python -m tests.mutations --write

interleave: setup ## all orders of bounded worlds over the real transitions; each rule switched off once, and found
	$(BIN)/python -m tests.interleave

lock: setup ## pin the newest versions that pyproject.toml and tools/requirements.in allow
	UV_CACHE_DIR=.stormproof/cache/uv .stormproof/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
	  --all-extras pyproject.toml --output-file requirements.txt
	UV_CACHE_DIR=.stormproof/cache/uv .stormproof/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
	  --no-deps tools/requirements.in --output-file tools/requirements.txt

clean: ## remove what set-up and runs have made
	rm -rf .venv .stormproof out .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
