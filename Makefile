# Two commands do all the set-up: `make demo` and `make test`. Both build .venv from pinned requirements.
.PHONY: demo test test-faults test-slurm benchmark docs clean
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
