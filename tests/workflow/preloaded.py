"""Snakemake in forks of a process that has imported it already: a dry run without the time that its imports take."""

import json
import os
import subprocess
import sys
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
IMPORTED = ("jsonschema", "nbformat", "pandas", "smart_open", "dar_uda.jobs.usage")
"""What a dry run imports beside Snakemake."""


def snakemake(folder, *arguments):
    """Run Snakemake with these sources in `folder`; return the exit status and what it printed.

    A test that changes sources or what Python finds at its start runs a process of its own instead.
    """
    server = _server()
    server.stdin.write(json.dumps([str(folder), [*map(str, arguments)], dict(os.environ)]) + "\n")
    server.stdin.flush()
    status, printed = json.loads(server.stdout.readline())
    return status, printed


@cache
def _server():
    """Start the process that forks; it ends when the tests do, and its input with them."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "tests.workflow.preloaded"], text=True, cwd=REPOSITORY, **pipes)


def _serve():
    from snakemake.cli import get_argument_parser

    from dar_uda.plan.code_version import code_version

    get_argument_parser()  # finds Snakemake's plugins
    for path in (REPOSITORY / "dar_uda").rglob("*.py"):
        code_version(".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"))
    for line in sys.stdin:
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            _run(*json.loads(line), theirs)
        os.close(theirs)
        with os.fdopen(ours, encoding="utf-8", errors="surrogateescape") as printed:
            text = printed.read()
        _, status = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), text]), flush=True)


def _run(folder, arguments, variables, output):
    """Run Snakemake in this process, which ends with it."""
    from snakemake.cli import main

    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (1, 2):
            os.dup2(output, number)
        os.close(output)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        main(["-s", str(REPOSITORY / "Snakefile"), "--directory", folder, *arguments])
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


if __name__ == "__main__":
    for module in IMPORTED:
        import_module(module)
    _serve()
