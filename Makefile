# Two commands do all the set-up: `make demo` and `make test`. Both build .venv from pinned requirements.
.PHONY: demo test test-faults test-slurm test-viewer viewer benchmark docs clean
PYTHON ?= python3
CORES ?= $(shell nproc)

demo: .venv/installed
	.venv/bin/snakemake --cores $(CORES) --resources gpu=1

test: .venv/installed
	.venv/bin/pytest

test-faults: .venv/installed
	FAULT_CASES=2500 .venv/bin/pytest tests/faults -m 'long or not long'

test-slurm: .venv/installed
	{ command -v slurmctld && command -v munged; } || { apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; }
	.venv/bin/pip install --quiet --constraint constraints.txt --editable '.[dev,slurm]'
	.venv/bin/pytest tests/slurm -m slurm

test-viewer: .venv/installed viewer
	{ command -v chromium && command -v chromedriver; } || { apt-get update && apt-get install -y --no-install-recommends chromium chromium-driver; }
	.venv/bin/pip install --quiet --constraint constraints.txt --editable '.[dev,browser]'
	.venv/bin/pytest tests/viewer -m 'browser or not browser'

viewer: dar_uda/viewer/page/niivue.js

dar_uda/viewer/page/niivue.js: dar_uda/viewer/package-lock.json
	@command -v npm >/dev/null || { echo "NiiVue comes with npm, which is not there: sudo apt install npm"; exit 1; }
	npm ci --prefix dar_uda/viewer --ignore-scripts --omit=optional --no-audit --no-fund
	cp dar_uda/viewer/node_modules/@niivue/niivue/dist/niivue.umd.js $@
	rm -rf dar_uda/viewer/node_modules

benchmark: .venv/installed
	.venv/bin/python -m benchmarks

docs: .venv/installed
	.venv/bin/pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	.venv/bin/python -m docs.config_keys
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "DAR-UDA needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv .venv || { echo "No venv module: sudo apt install python3-venv"; exit 1; }
	.venv/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv results site .snakemake
