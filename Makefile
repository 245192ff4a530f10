# Everything happens in .venv; `make demo` and `make test` need nothing but Python 3.11+, a C compiler, make and git.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
export SABOTNB_DATA ?= $(CURDIR)/.data
KERNELS := $(wildcard sabotnb/native/*.pyx sabotnb/native/*.pxd)

.PHONY: help demo test front soak lab lint types layers words notebooks record docs wheel bench clean

help:
	@echo "make demo       set up and run the main job on real data"
	@echo "make test       set up and pass the tests"
	@echo "make lab        open JupyterLab on the first tutorial"
	@echo "make record     re-run the tutorials and save their outputs"
	@echo "make lint types layers words front notebooks docs wheel bench soak clean"

$(READY): pyproject.toml setup.py $(KERNELS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/sabotnb demo

test: $(READY)
	.ci/system-packages
	.ci/front
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile --durations 40

front:
	.ci/front

soak: $(READY)
	$(BIN)/pytest -s tests/browser/test_soak.py

lab: $(READY)
	$(BIN)/jupyter lab notebooks/00_quickstart.ipynb

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

words: $(READY)
	$(BIN)/python .ci/words.py

notebooks: $(READY)
	SABOTNB_DISPLAY=static $(BIN)/pytest --nbval --nbval-current-env --nbval-cell-timeout=120 \
		--nbval-sanitize-with notebooks/sanitize.cfg notebooks

record: $(READY)
	SABOTNB_DISPLAY=static $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
		--ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

docs: $(READY)
	$(BIN)/pytest tests/docs

wheel: $(READY)
	.ci/wheel

bench: $(READY)
	$(BIN)/sabotnb bench compare
	$(BIN)/sabotnb bench kernels
	$(BIN)/sabotnb bench pipelines
	$(BIN)/sabotnb bench latency

clean:
	rm -rf build dist *.egg-info sabotnb/native/*.c sabotnb/native/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
