# One command for each thing a person does here. `make help` lists them.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
RUN := $(BIN)/python
LOCKED := $(VENV)/locked
READY := $(VENV)/ready

# The site's bytes must not depend on the clock: its dates are those of the commit.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
# Material announces its own end of life on each build; CONTRIBUTING.md says what it means for us.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help quick numbers serve test build browser check prove alter-proofs dist wheel mutate-docs mutate-code all lock picture field field-check field-lock museum museum-check bench bench-lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 20

# A lock names all that is needed, and Python compiles what is imported when it is.
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes

# What is locked is installed afresh when the lock changes, the project itself when its settings do.
$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "gradexplain needs Python 3.11 or newer with venv: install it (Debian: apt install python3 python3-venv), or name it: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) $(INSTALL) -r requirements.lock
	@touch $(LOCKED)

UPGRADE := --upgrade
ENGINE := activations arrays bad_input gradients ledger line losses means network shortcut

$(READY): pyproject.toml $(LOCKED)
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(READY)

$(VENV)-quick/locked: requirements-quick.lock
	$(PYTHON) -m venv --clear $(VENV)-quick
	$(VENV)-quick/$(notdir $(BIN))/python $(INSTALL) -r $<
	@touch $@

$(VENV)-quick/ready: pyproject.toml $(VENV)-quick/locked
	$(VENV)-quick/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

# No site, no drawing, no bulk fuzzing, fewer networks drawn: all of that is in `make test`.
quick: $(VENV)-quick/ready ## run the engine's and the audit's own tests, in an environment of few packages
	HYPOTHESIS_EXAMPLES=15 $(VENV)-quick/$(notdir $(BIN))/python -m pytest --confcutdir=tests -q -m "not figures" \
	  --deselect=tests/test_hostile_files.py::test_thousands_of_mutated_files_are_read_or_refused \
	  tests/test_audit_*.py tests/test_hostile_files.py $(ENGINE:%=tests/test_%.py)

serve: $(READY) ## show the site at http://127.0.0.1:8000/ and follow edits
	KEEP_NOTEBOOKS=true $(RUN) -m mkdocs serve --strict

numbers: $(READY) ## write a page's outputs and numbers anew: PAGE=docs/learn/line.md
	$(RUN) tests/refresh.py $(PAGE)

test: $(READY) ## run every test that needs no browser
	$(RUN) -m pytest -m "not bad_input" --jaxtyping-packages=gradexplain,shapes.checked
	$(RUN) -m pytest -m bad_input

build: $(READY) ## write the site to site/, any warning an error
	$(RUN) -m mkdocs build --strict
	$(RUN) -m sitebuild site

browser: build ## test the built site in Chromium, every page and every figure
	$(RUN) -m pytest tests/browser

check: $(READY) ## lint, the types of Python and JavaScript, workflows
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	DENO_DIR=.cache/deno DENO_NO_UPDATE_CHECK=1 $(BIN)/deno check --quiet docs/assets/*.js docs/assets/figures/*.js
	$(BIN)/zizmor --offline --quiet --pedantic .github

# Plain Python, and Debian's Coq: apt-get install coq libcoq-coquelicot
prove: ## let Coq check the theorems, and name the axioms each one rests on
	$(PYTHON) proofs/check.py

alter-proofs: ## alter each part of each statement, and see its proof fail; SAMPLE=40 SEED=7 tries some
	$(PYTHON) proofs/alter.py $(if $(SAMPLE),--sample $(SAMPLE) \
	  --seed $(or $(SEED),$(shell git rev-parse HEAD 2>/dev/null || echo 0)))

dist: $(READY) ## build what is released: the wheel and the source archive, into dist/
	rm -rf dist
	$(RUN) -m hatchling build -d dist

# Its tests, in environments of their own. WHEEL=dist/name.whl tests that one, VERSIONS=lowest with those alone.
wheel: $(READY) ## build the wheel; test it with its dependencies' lowest and newest versions
	HYPOTHESIS_EXAMPLES=15 $(RUN) tests/release/run.py $(WHEEL) $(VERSIONS)

# A sample is another one with each commit. One thread: a process that forks should have no more.
mutate-docs: $(READY) ## alter each digit and sign of the pages; SAMPLE=200 SEED=7 tries some
	OPENBLAS_NUM_THREADS=1 $(RUN) tests/mutate_docs.py $(if $(SAMPLE),--sample $(SAMPLE) \
	  --seed $(or $(SEED),$(shell git rev-parse HEAD 2>/dev/null || echo 0)))

# mutmut makes the mutants, learns which tests reach which function, and tries those of one function.
mutate-code: $(READY) ## let mutmut alter the package, and judge what survives its tests; SAMPLE=1000 SEED=7 tries some
	rm -rf mutants
	OPENBLAS_NUM_THREADS=1 $(BIN)/mutmut run 'gradexplain.arrays.x__fits*' > mutants.log || { tail -n 40 mutants.log; exit 1; }
	OPENBLAS_NUM_THREADS=1 $(RUN) tests/mutation_run.py $(if $(JOBS),--jobs $(JOBS)) $(if $(SAMPLE),--sample $(SAMPLE) \
	  --seed $(or $(SEED),$(shell git rev-parse HEAD 2>/dev/null || echo 0)))
	$(RUN) tests/mutation_counts.py $(if $(SAMPLE),--sample)

.PHONY: power
power: $(READY) ## plant mistakes in loops of every arithmetic; write docs/reference/power.json
	OPENBLAS_NUM_THREADS=1 $(RUN) tests/planted.py

all: test check prove wheel browser mutate-docs alter-proofs field-check ## everything CI runs, every mutation of the pages and every altered statement

lock: $(READY) ## renew both locks; UPGRADE= adds what is new and keeps the rest as it is
	$(BIN)/uv pip compile --quiet $(UPGRADE) --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --extra figures --group docs --group test --group browser --group mutation --group check --group build --group lock \
	  --no-emit-package gradexplain --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --group quick --group build --constraint requirements.lock --no-emit-package gradexplain \
	  --custom-compile-command "make lock" --output-file requirements-quick.lock pyproject.toml

picture: $(READY) ## renew the README's picture and the card for previews
	$(RUN) -m sitebuild.pictures

# Real frameworks, each set in an environment of its own. Their torch is the CPU build, which pip
# finds where PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL says (PyTorch's own index has it too).
FIELD := $(VENV)-field-2024/ready $(VENV)-field-now/ready

$(VENV)-field-%/ready: tests/field/requirements-%.txt
	$(PYTHON) -m venv --clear $(VENV)-field-$*
	$(VENV)-field-$*/bin/python $(INSTALL) -r $<
	@touch $@

# Old and other releases, laid over the field's environments, without dependencies of their own.
OVERLAYS := $(patsubst tests/museum/overlays/%.txt,.museum/%/ready,$(wildcard tests/museum/overlays/*.txt))

field: $(FIELD) $(OVERLAYS) ## audit real frameworks; write docs/practice/field-report.json
	$(PYTHON) tests/field/run.py

SETS := 2024 now
# Both sets have one torch, so what needs nothing else is tested once.
TESTS_now := tests/field
TESTS_2024 := $(addprefix tests/field/test_,accelerate.py distributed.py functions.py lightning.py trainer.py)

field-check: $(SETS:%=$(VENV)-field-%/ready) ## audit them again, fail where a verdict changed; test the integrations; SETS=now for one, SAMPLE=25 alters less of each page and audits fewer
	$(PYTHON) tests/field/run.py --check $(SETS) $(if $(SAMPLE),--sample 6 \
	  --seed $(or $(SEED),$(shell git rev-parse HEAD 2>/dev/null || echo 0)))
	$(foreach set,$(SETS),PYTHONPATH=.:tests HF_HUB_OFFLINE=1 JAX_PLATFORMS=cpu OMP_NUM_THREADS=1 \
	  SAMPLE=$(SAMPLE) SEED=$(or $(SEED),$(shell git rev-parse HEAD 2>/dev/null || echo 0)) \
	  $(VENV)-field-$(set)/bin/python -m pytest -c tests/field/pytest.ini $(TESTS_$(set)) &&) true

.museum/%/ready: tests/museum/overlays/%.txt $(VENV)-field-now/ready
	rm -rf $(@D)
	$(VENV)-field-now/bin/python $(INSTALL) --target $(@D) -r $<
	@touch $@

museum: $(FIELD) $(OVERLAYS) ## run every reported bug, and every tool on it; write docs/practice/museum.json
	$(PYTHON) tests/museum/run.py

museum-check: $(FIELD) ## run SAMPLE=6 of them and of the right loops again, fail where a verdict moved
	$(PYTHON) tests/museum/run.py --check --sample $(or $(SAMPLE),6) \
	  --seed $(or $(SEED),$(shell git rev-parse HEAD 2>/dev/null || echo 0))

field-lock: $(READY) ## renew the newest frameworks' lock, keep those of 2024
	for set in 2024 now; do \
	  UV_FIND_LINKS="$$PIP_FIND_LINKS" UV_EXTRA_INDEX_URL="$$PIP_EXTRA_INDEX_URL" \
	  $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --python-version 3.11 \
	    --python-platform x86_64-manylinux_2_28 --custom-compile-command "make field-lock" \
	    --output-file tests/field/requirements-$$set.txt tests/field/requirements-$$set.in || exit 1; done

# The peers of the bench, each in an environment of its own; where torch is found, as above.
BENCH := $(VENV)-bench-jax/ready $(VENV)-bench-torch/ready

$(VENV)-bench-%/ready: bench/requirements-%.txt
	$(PYTHON) -m venv --clear $(VENV)-bench-$*
	$(VENV)-bench-$*/bin/python $(INSTALL) -r $<
	@touch $@

bench: $(READY) $(BENCH) ## time everything against its peers, on an idle Linux machine; write bench/speed.json
	$(RUN) -m bench.run

bench-lock: $(READY) ## renew the lock of the bench's peers
	for set in jax torch; do \
	  UV_FIND_LINKS="$$PIP_FIND_LINKS" UV_EXTRA_INDEX_URL="$$PIP_EXTRA_INDEX_URL" \
	  $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --python-version 3.11 \
	    --python-platform x86_64-manylinux_2_28 --custom-compile-command "make bench-lock" \
	    --output-file bench/requirements-$$set.txt bench/requirements-$$set.in || exit 1; done

clean: ## remove everything made here, the environments too
	rm -rf $(VENV) $(VENV)-quick $(VENV)-field-2024 $(VENV)-field-now $(VENV)-bench-jax $(VENV)-bench-torch site dist .cache .museum mutants mutants.log
