import subprocess
import sys

from tests.plan.configs import REPOSITORY

HEAVY = {"matplotlib", "numpy", "pandas", "SimpleITK", "snakemake", "torch"}
"""What a plan does without: planning starts with every call of Snakemake, and in each of its jobs."""


def test_the_plan_imports_neither_snakemake_nor_what_takes_long():
    modules = [f"dar_uda.plan.{path.stem}" for path in (REPOSITORY / "dar_uda" / "plan").glob("[a-z]*.py")]
    assert "dar_uda.plan.cases" in modules
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert HEAVY & set(done.stdout.split()) == set()
