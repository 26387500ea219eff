"""This workflow as a module of another one."""

import os
import subprocess
import sys

import nibabel as nib
import pytest
from tiny_run import REPOSITORY, prepare

OUTER = """
module dar_uda:
    snakefile: "{repository}/Snakefile"
    config: config

use rule * from dar_uda as dar_uda_*

rule look:
    input: "results/phantom/cases/ct/ct0/image.nii"
    output: "shape.txt"
    run:
        import nibabel
        with open(output[0], "w") as file:
            print(*nibabel.load(input[0]).shape, file=file)
"""


@pytest.mark.slow
def test_another_workflow_takes_the_rules_and_its_config_counts(tmp_path):
    prepare(tmp_path)
    (tmp_path / "Snakefile").write_text(OUTER.format(repository=REPOSITORY))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml", "--", "look"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    shape = nib.load(tmp_path / "results" / "phantom" / "cases" / "ct" / "ct0" / "image.nii").shape
    assert (tmp_path / "shape.txt").read_text().split() == [str(size) for size in shape]
    assert shape[0] == shape[1] == 64, "the tiny grid"


def test_the_catalogs_snakefile_plans_what_the_root_one_does(tmp_path):
    plans = []
    for name, target in (("Snakefile", "all"), ("workflow/Snakefile", "run")):
        run = prepare(tmp_path / name.replace("/", "-"))
        status, text = run("-n", "--snakefile", str(REPOSITORY / name))
        assert status == 0, text
        stats = text[text.index("Job stats") :].partition("\n\n")[0].splitlines()
        plans.append(sorted(line.split()[1] for line in stats[3:] if line.split()[0] not in (target, "total")))
        assert any(line.split()[0] == target for line in stats[3:])
    assert plans[0] == plans[1] != []
