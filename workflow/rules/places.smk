"""Folders whose names need care: of Python, of the project, of the run."""

import os
import shlex
import sys

from snakemake.exceptions import WorkflowError

# Snakemake writes this path into shell commands as it is: one with a space, as below "My Drive", needs quotes.
if os.path.exists(sys.executable):
    sys.executable = shlex.quote(sys.executable)

for folder in map(str, (HERE, Path.cwd())):
    if folder != folder.encode(errors="ignore").decode():
        raise WorkflowError(f"DAR-043: The name of {ascii(folder)} is not UTF-8: rename it.")
if "{" in str(HERE) or "}" in str(HERE):
    raise WorkflowError(f"DAR-043: Snakemake allows no braces in {HERE}, the folder of the project: move it.")
