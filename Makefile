# One-word verbs. Each sets up `.venv` first where that is still to do: nothing else needs installing.

PYTHON ?= python3
BIN := .venv/bin
NOTEBOOKS ?= notebooks/*.ipynb
# As many test processes as cores, one thread each: twice as fast on two cores as one process with two threads.
PYTEST := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \
	$(BIN)/python -m pytest -q -n auto
# File by file, in the order of tests/conftest.py.
SPREAD := --dist loadfile --no-loadscope-reorder

.PHONY: quickstart test lint unit lessons pages nbval site classroom check fuzz mutants again notebooks format address clean

quickstart: .venv/ready  ## Train on the bundled clothes: a few minutes, into runs/
	$(BIN)/python -m dcgan_keras train

test: lint unit lessons pages  ## All that CI runs, on every Python but for `pages`

lint: .venv/ready  ## Check style, format and types; those of the JavaScript too, where there is a Node
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	if command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then \
		$(MAKE) site/node_modules/ready && npm --prefix site run --silent lint; \
	else echo "No Node 20 or newer: the JavaScript is not checked."; fi

unit: .venv/ready  ## Test the module, the command line and the classroom: neither notebooks run nor pages
	$(PYTEST) $(SPREAD) --ignore tests/pages

# Each notebook in one run: as it is, its outputs compared, and then solved, and answered wrong.
lessons: .venv/ready  ## Execute every notebook in fast mode, compare its outputs, and try its exercises
	rm -rf build/lessons
	$(BIN)/python tests/lessons/solved.py build/lessons
	DCGAN_FAST=1 $(PYTEST) --dist loadfile --nbval --nbval-current-env build/lessons

# The tests of pages drive a Chromium that is there already. Without one they are skipped.
pages: .venv/ready  ## Build the site and test its pages: with a Chromium and Python 3.11 or newer
	if ! command -v chromium && ! command -v chromium-browser && ! command -v google-chrome; then \
		echo "No Chromium: the pages are not tested."; \
	else $(BIN)/python -m pip install --quiet -r tests/browser.txt && \
		if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then $(MAKE) site; \
		else echo "The site needs Python 3.11 or newer: it is not built, and its pages are not tested."; fi; \
	fi
	$(PYTEST) $(SPREAD) tests/pages

nbval: .venv/ready  ## Execute every notebook in fast mode as it is, and compare its outputs, or some: NOTEBOOKS=...
	DCGAN_FAST=1 $(PYTEST) --dist loadfile --nbval --nbval-current-env $(NOTEBOOKS)

site: build/venv-site/ready  ## The course as web pages, with the explorer: build/site
	build/venv-site/bin/python site/build.py

classroom: .venv/ready  ## Notebooks for students and, solved and run, for instructors: build/classroom, ten minutes
	$(BIN)/python site/classroom.py student
	$(BIN)/python site/classroom.py instructor

check: .venv/ready  ## Run what was handed in, and write tables: make check FOLDER="week 1"
	$(BIN)/python site/classroom.py check "$(FOLDER)"

fuzz: .venv/ready  ## Make up fifty times as many malformed inputs as `unit` does: some minutes
	DCGAN_FUZZ=50 $(PYTEST) $(SPREAD) tests/test_bad_input.py tests/test_course.py

mutants: .venv/ready  ## Break the module in many places, one at a time, and count what no test notices: an hour or less
	$(BIN)/python tests/mutants.py

again: .venv/ready  ## Make a cheap part of every table again, and compare it with the one that is here: 15 minutes
	$(BIN)/python benchmarks/again.py

notebooks: .venv/ready  ## Execute every notebook in full and store its outputs, or some: NOTEBOOKS=notebooks/08*.ipynb
	$(BIN)/jupyter nbconvert --to notebook --inplace --execute --ExecutePreprocessor.record_timing=False $(NOTEBOOKS)
	$(BIN)/jupyter nbconvert --to notebook --inplace --coalesce-streams $(NOTEBOOKS)

format: .venv/ready  ## Put code and notebooks into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

address:  ## Of a fork: its address in every notebook, page and link, make address URL=https://github.com/you/name
	$(PYTHON) site/address.py "$(URL)"

clean:  ## Remove the set-up, the runs and the built pages
	rm -rf .venv runs notebooks/runs build site/node_modules

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "dcgan_keras needs Python 3.10 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt -e .
	touch $@

# What checks the JavaScript. The pages themselves need none of it.
site/node_modules/ready: site/package.json
	npm --prefix site install --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

build/venv-site/ready: site/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The site needs Python 3.11 or newer: make site PYTHON=python3.12")'
	$(PYTHON) -m venv build/venv-site
	build/venv-site/bin/python -m pip install --quiet -r site/requirements.txt
	touch $@
