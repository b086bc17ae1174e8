# Each target sets up what it needs and is quick when nothing has changed.
#
#   make demo        set up, carry the sample bucket into a store, check the receipts, ask it questions
#   make demo-aws    bucket, events, queue, worker, CloudWatch Logs and a search server, on servers that it starts itself
#   make test        set up, check the code, run the tests (under 15 minutes on two cores)
#   make check       formatting, linting, types, layers, lengths
#   make bench       speed beside peers; writes bench/RESULTS.md
#   make test-long   the tests that take hours: fuzzing, random campaigns, big files
#   make docs        the reference pages, generated from the code
#   make build       both distributions, into dist/
#   make package     the zips that Lambda runs, for both processors, into dist/; VERSION='--build-number 12 --prerelease rc.1'

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
KERNEL := $(VENV)/.kernel
TOOLS := $(VENV)/.tools
CRATE := $(wildcard kernel/src/*.rs kernel/src/*/*.rs) kernel/Cargo.toml kernel/Cargo.lock kernel/pyproject.toml

.PHONY: demo demo-aws test check bench test-long docs build package setup clean

setup: $(READY) $(KERNEL)

# Python, the package itself, and what it needs to run.
$(READY): pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV)
	@touch $@

# The native kernel; without Rust the reference twin does its work, which this says.
$(KERNEL): $(CRATE) tools/kernel.sh | $(READY)
	@tools/kernel.sh $(VENV)
	@touch $@

# What tests and checks need beside it.
$(TOOLS): pyproject.toml | $(READY)
	@$(BIN)/pip install --quiet --group dev
	@touch $@

demo: setup
	@tools/demo.sh $(BIN)

demo-aws: setup $(TOOLS)
	@$(BIN)/python tools/demo_aws.py

check: setup $(TOOLS)
	@tools/check.sh $(BIN)

test: check
	@tools/test.sh $(BIN)

test-long: setup $(TOOLS)
	@tools/test-long.sh $(BIN)

bench: setup $(TOOLS)
	@tools/bench.sh $(BIN)

docs: setup
	@$(BIN)/python tools/reference.py docs

build: setup $(TOOLS)
	@rm -rf dist
	@$(BIN)/python -m build --quiet --outdir dist .
	@$(BIN)/maturin build --quiet --release --manifest-path kernel/Cargo.toml --out dist
	@ls -l dist

package: $(READY)
	@$(BIN)/tailrace package --kernel native --arch x86_64 $(VERSION) --out dist/tailrace-x86_64.zip
	@$(BIN)/tailrace package --kernel native --arch arm64 $(VERSION) --out dist/tailrace-arm64.zip

clean:
	rm -rf $(VENV) dist demo/store kernel/target
