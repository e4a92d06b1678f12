# `make` alone lists the targets. Everything happens inside $(VENV); nothing is installed outside it.
.DEFAULT_GOAL := help
.PHONY: help demo test test-encodec check bench docs lock clean mini mini-analysis
SHELL := /bin/bash

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0
PROMPT ?= a gentle bright flute melody
ARGS ?=
PURELIB := 'import sysconfig; print(sysconfig.get_path("purelib"))'

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

demo: $(VENV)/.installed ## Generate a clip, record every denoising step, write the report
	$(BIN)/harness generate --prompt "$(PROMPT)" --trace --report --out runs/demo --force

test: $(VENV)/.installed-dev ## Install what the tests need and run them (ARGS="--slow -k name" adds options)
	$(BIN)/python -m pytest $(ARGS)

# The second environment sees the first one's packages and adds only the extra: torch stays the build it is. The torchaudio
# that the package asks for need not fit that build, which is part of what is tested.
test-encodec: $(VENV)/.installed-dev ## Compare the package `encodec` with transformers' port, in an environment of its own
	$(PYTHON) -m venv --clear $(VENV)-encodec
	$(BIN)/python -c $(PURELIB) > "$$($(VENV)-encodec/bin/python -c $(PURELIB))/shared.pth"
	$(VENV)-encodec/bin/python -m pip install --quiet -c constraints.txt "audio-diffusion-harness[encodec]"
	$(VENV)-encodec/bin/python -m pytest tests/generators/codecs/test_encodec_package.py $(ARGS)

check: $(VENV)/.installed-dev ## Lint, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev ## Run every benchmark; each writes benchmarks/results/NAME.json
	set -e; for script in $$(grep -l '"--out"' benchmarks/*.py); do \
	    name=$$(basename $$script .py); \
	    echo "== $$name"; $(BIN)/python -m benchmarks.$$name --out benchmarks/results/$$name.json $(ARGS); \
	done

docs: $(VENV)/.installed-dev ## Rewrite the generated pages (docs/cli.md)
	$(BIN)/python docs/build_cli.py

mini: $(VENV)/.installed-dev ## Train the shipped `mini` generator again (hours; resumes where it stopped)
	$(BIN)/python -m generators.mini.recipe $(ARGS)
	cd generators/mini/checkpoint && sha256sum *.safetensors > SHA256SUMS

mini-analysis: $(VENV)/.installed-dev ## Train the shipped SAE and probes of `mini` again (an hour; needs FluidSynth)
	$(BIN)/python -m harness.recipe $(ARGS)

lock: ## Rewrite constraints.txt from a fresh environment with the newest releases
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet "$(TORCH)"
	.venv-lock/bin/python -m pip install --quiet -e ".[dev,lyrics]"
	.venv-lock/bin/python docs/build_constraints.py > constraints.txt.part
	mv constraints.txt.part constraints.txt
	rm -rf .venv-lock

clean: ## Remove caches, built files and the environment; runs/ stays
	rm -rf $(VENV) $(VENV)-encodec .venv-lock build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make a second run start at once; they are older than what they were made from as soon as it changes.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,lyrics]"
	touch $@
