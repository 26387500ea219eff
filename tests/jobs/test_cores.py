"""How many cores a process may use: of those of the machine, the ones that affinity and quotas leave."""

import os
import subprocess
import sys

from dar_uda.jobs.cores import usable_cores

ON_ONE_CORE = """
import os, runpy, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
runpy.run_module("dar_uda.jobs.cores", run_name="__main__")
"""


def test_a_process_that_is_tied_to_one_core_counts_one():
    done = subprocess.run([sys.executable, "-c", ON_ONE_CORE], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_never_more_than_the_affinity_allows_and_one_at_least():
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
