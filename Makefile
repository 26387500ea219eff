# Two commands do all the set-up: `make demo` and `make test`. Both build .venv from locks/, each file by its hash.
.PHONY: demo test test-all test-faults test-slurm test-viewer test-nnunet nnunet viewer benchmark gpu-kit docs \
  lock audit sbom clean
PYTHON ?= python3
# Its scripts, such as .venv/bin/snakemake, hold the path of the folder, and not every path can stand there.
VENV = .venv/bin/python
NNUNET = .venv-nnunet/bin/python
TOOLS = .venv-tools/bin
# A few packages have no wheel: they are built with the setuptools of locks/build.txt, not with what pip would fetch.
LOCKED = -m pip install --quiet --require-hashes --no-deps --no-build-isolation --use-pep517 --requirement
CORES ?= $$($(VENV) -m dar_uda.jobs.cores)
ON_TWO_CORES = -n 2 --dist loadfile --no-loadscope-reorder

demo: .venv/installed
	$(VENV) -m snakemake --cores $(CORES) --resources gpu=1

test: .venv/installed
	$(VENV) -m pytest $(ON_TWO_CORES)

test-all: .venv/installed
	$(VENV) -m pytest $(ON_TWO_CORES) -m 'not browser and not long and not nnunet and not slurm'

test-faults: .venv/installed
	FAULT_CASES=2500 $(VENV) -m pytest tests/faults -m 'long or not long'

test-slurm: .venv/installed
	{ command -v slurmctld && command -v munged; } || { apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; }
	$(VENV) -m pytest tests/slurm -m slurm

test-viewer: .venv/installed viewer
	{ command -v chromium && command -v chromedriver; } || { apt-get update && apt-get install -y --no-install-recommends chromium chromium-driver; }
	$(VENV) -m pytest tests/viewer -m 'browser or not browser'

test-nnunet: .venv/installed .venv-nnunet/installed
	NNUNET_PYTHON=$(NNUNET) $(VENV) -m pytest tests/nnunet -m 'nnunet or not nnunet'

nnunet: .venv-nnunet/installed

# A torch without CUDA does not go with PyPI's torchvision, which nnU-Net imports and does not need: an old one imports.
.venv-nnunet/installed: constraints-nnunet.txt locks/build.txt locks/nnunet.txt
	"$(PYTHON)" -m venv .venv-nnunet
	$(NNUNET) $(LOCKED) locks/build.txt
	$(NNUNET) $(LOCKED) locks/nnunet.txt
	$(NNUNET) -m pip install --quiet --constraint constraints-nnunet.txt torch torchvision
	$(NNUNET) -c 'import torchvision' 2>/dev/null || $(NNUNET) -m pip install --quiet --no-deps torchvision==0.16.2
	touch $@

viewer: dar_uda/viewer/page/niivue.js

dar_uda/viewer/page/niivue.js: dar_uda/viewer/package-lock.json
	@command -v npm >/dev/null || { echo "NiiVue comes with npm, which is not there: sudo apt install npm"; exit 1; }
	npm ci --prefix dar_uda/viewer --ignore-scripts --omit=optional --no-audit --no-fund
	cp dar_uda/viewer/node_modules/@niivue/niivue/dist/niivue.umd.js $@
	rm -rf dar_uda/viewer/node_modules

benchmark: .venv/installed
	$(VENV) -m benchmarks

# RUN=results/NAME packs that run's volumes too.
gpu-kit: .venv/installed
	$(VENV) -m benchmarks.gpu.kit gpu-kit $(RUN)

docs: .venv/installed
	$(VENV) -m docs.config_keys
	$(VENV) -m docs.glossary
	$(VENV) -m docs.decisions
	$(VENV) -m docs.results
	NO_MKDOCS_2_WARNING=1 $(VENV) -m mkdocs build --strict --quiet

.venv/installed: pyproject.toml constraints.txt locks/build.txt locks/all.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "DAR-UDA needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" --version 2>&1). Try: make PYTHON=python3.12 demo"; exit 1; }
	@"$(PYTHON)" -c 'import os; exit(any(mark in os.fsencode(os.getcwd()).decode() for mark in ":{}"))' 2>/dev/null || \
	  { echo "Python and Snakemake allow no colon, no brace and no name that is not UTF-8 in $$PWD: move the project"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' || { echo "No venv module: sudo apt install python3-venv"; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(VENV) $(LOCKED) locks/build.txt
	$(VENV) $(LOCKED) locks/all.txt
	$(VENV) -m pip install --quiet --constraint constraints.txt torch
	$(VENV) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Versions that still fit stay. OPTIONS=--upgrade renews all, OPTIONS='--upgrade-package NAME' one.
COMPILE = CUSTOM_COMPILE_COMMAND='make lock' $(TOOLS)/pip-compile --quiet
lock: .venv-tools/installed
	@$(TOOLS)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11, the oldest supported, makes the locks: rm -r .venv-tools; make PYTHON=python3.11 lock"; exit 1; }
	$(COMPILE) $(OPTIONS) --all-extras --constraint constraints.txt --output-file locks/all.txt pyproject.toml
	tee locks/run.txt locks/build.txt < locks/all.txt > /dev/null
	$(COMPILE) --extra slurm --constraint constraints.txt --output-file locks/run.txt pyproject.toml
	$(COMPILE) --only-build-deps --build-deps-for editable --output-file locks/build.txt pyproject.toml
	$(COMPILE) $(OPTIONS) --constraint constraints-nnunet.txt --constraint locks/all.txt \
	  --output-file locks/nnunet.txt locks/nnunet.in
	$(COMPILE) $(OPTIONS) --output-file locks/tools.txt locks/tools.in

NOT_CLEAN = { echo "Not clean, or not audited: the lines above name vulnerabilities, or a service that does not answer."; \
  echo "Known vulnerabilities are listed on the net alone: run make audit where the package indexes themselves answer."; \
  exit 1; }
# Without --strict it passes where it could look nothing up. torch is in the constraints alone.
AUDIT = $(TOOLS)/pip-audit --strict --disable-pip
audit: .venv/installed .venv-tools/installed
	$(VENV) -m bandit --quiet --configfile pyproject.toml --recursive dar_uda
	@$(AUDIT) --require-hashes $(addprefix --requirement ,$(wildcard locks/*.txt)) || $(NOT_CLEAN)
	@$(AUDIT) --no-deps --requirement constraints.txt || $(NOT_CLEAN)
	@npm audit --prefix dar_uda/viewer --package-lock-only || $(NOT_CLEAN)

sbom: .venv-tools/installed
	mkdir -p sbom
	grep '^torch==' constraints.txt | cat locks/run.txt - | $(TOOLS)/python -W ignore -m cyclonedx_py requirements \
	  --pyproject pyproject.toml --output-reproducible --output-file sbom/python.cdx.json -
	npm sbom --prefix dar_uda/viewer --package-lock-only --sbom-format cyclonedx > sbom/viewer.cdx.json

.venv-tools/installed: locks/tools.txt
	"$(PYTHON)" -m venv .venv-tools
	$(TOOLS)/python $(LOCKED) locks/tools.txt
	touch $@

clean:
	rm -rf .venv .venv-nnunet .venv-tools results site sbom .snakemake
