# One-word verbs. Each sets up `.venv` first where that is still to do: nothing else needs installing.

PYTHON ?= python3
BIN := .venv/bin
NOTEBOOKS ?= notebooks/*.ipynb
# As many test processes as cores, one thread each: twice as fast on two cores as one process with two threads.
PYTEST := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \
	$(BIN)/python -m pytest -q -n auto --dist loadfile

.PHONY: quickstart test lint pages unit nbval site classroom check fuzz mutants notebooks format clean

quickstart: .venv/ready  ## Train on the bundled clothes: a few minutes, into runs/
	$(BIN)/python -m dcgan_keras train

test: lint pages unit nbval  ## All that CI runs

lint: .venv/ready  ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The tests of pages drive a Chromium that is there already. Without one they are skipped, and so is this.
pages: .venv/ready  ## Where there is a Chromium, build the site and install what its tests need
	if command -v chromium || command -v chromium-browser || command -v google-chrome; then \
		$(BIN)/python -m pip install --quiet -r tests/browser.txt && $(MAKE) site; \
	else echo "No Chromium: the tests of pages will be skipped."; fi

unit: .venv/ready  ## Test the module, the command line, the site and the classroom
	$(PYTEST) --no-loadscope-reorder

nbval: .venv/ready  ## Re-execute every notebook in fast mode and compare its outputs
	DCGAN_FAST=1 $(PYTEST) --nbval --nbval-current-env notebooks

site: build/venv-site/ready  ## The course as web pages, with the explorer: build/site
	build/venv-site/bin/python site/build.py

classroom: .venv/ready  ## Notebooks for students and, solved and run, for instructors: build/*.zip, ten minutes
	mkdir -p build
	$(BIN)/python site/classroom.py student build/student.zip
	$(BIN)/python site/classroom.py instructor build/instructor.zip

check: .venv/ready  ## Run what was handed in, and write a table: make check NOTEBOOKS=folder
	$(BIN)/python site/classroom.py check $(NOTEBOOKS)

fuzz: .venv/ready  ## Make up fifty times as many malformed inputs as `unit` does: some minutes
	DCGAN_FUZZ=50 $(PYTEST) tests/test_bad_input.py tests/test_exercises.py

mutants: .venv/ready  ## Break the module in many places, one at a time, and count what no test notices: an hour or less
	$(BIN)/python tests/mutants.py

notebooks: .venv/ready  ## Execute every notebook in full and store its outputs, or some: NOTEBOOKS=notebooks/08*.ipynb
	$(BIN)/jupyter nbconvert --to notebook --inplace --execute --ExecutePreprocessor.record_timing=False $(NOTEBOOKS)
	$(BIN)/jupyter nbconvert --to notebook --inplace --coalesce-streams $(NOTEBOOKS)

format: .venv/ready  ## Put code and notebooks into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the set-up, the runs and the built pages
	rm -rf .venv runs notebooks/runs build

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "dcgan_keras needs Python 3.10 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt -e .
	touch $@

build/venv-site/ready: site/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The site needs Python 3.11 or newer: make site PYTHON=python3.12")'
	$(PYTHON) -m venv build/venv-site
	build/venv-site/bin/python -m pip install --quiet -r site/requirements.txt
	touch $@
