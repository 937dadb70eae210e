# One command for each thing a person does here. `make help` lists them.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
RUN := $(BIN)/python
READY := $(VENV)/ready

# The site's bytes must not depend on the clock: its dates are those of the commit.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
# Material announces its own end of life on each build; CONTRIBUTING.md says what it means for us.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help serve test build check all lock picture clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 20

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "gradexplain needs Python 3.11 or newer with venv: install it (Debian: apt install python3 python3-venv), or name it: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(READY)

serve: $(READY) ## show the site at http://127.0.0.1:8000/ and follow edits
	KEEP_NOTEBOOKS=true $(RUN) -m mkdocs serve --strict

test: $(READY) ## run every test that needs no browser
	$(RUN) -m pytest -m "not bad_input" --jaxtyping-packages=gradexplain,shapes.checked
	$(RUN) -m pytest -m bad_input

build: $(READY) ## write the site to site/, any warning an error
	$(RUN) -m mkdocs build --strict

check: $(READY) ## lint, types, workflows
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(BIN)/zizmor --offline --quiet --pedantic .github

all: test check build ## everything CI runs

lock: $(READY) ## renew requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --extra figures --group docs --group test --group browser --group mutation --group check --group build --group lock \
	  --no-emit-package gradexplain --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

picture: $(READY) ## renew the README's picture
	$(RUN) -m gradexplain.sitebuild.readme_picture

clean: ## remove everything made here, the environment too
	rm -rf $(VENV) site .cache
