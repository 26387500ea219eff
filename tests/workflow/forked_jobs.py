"""Jobs of Snakemake in forks of a process that has imported what they import: without two seconds of each job."""

import os
import re
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
IMPORTED_LATE = ("matplotlib.pyplot", "scipy.ndimage", "torch._dynamo")
"""What functions of jobs import when they are called."""
LONGEST_NAME = 4096
BEGIN = b"!"
"""A job that ended before its measurement began would have no process to measure."""


def import_what_jobs_do() -> None:
    """Import what the workflow's scripts import."""
    scripts = "\n".join(path.read_text() for path in SCRIPTS.glob("*.py"))
    named = set(re.findall(r"^from (\S+) import", scripts, re.MULTILINE))
    for module in (*sorted(named), *IMPORTED_LATE):
        import_module(module)


@contextmanager
def forked_jobs() -> Iterator[None]:
    """Within the block Snakemake of this process runs Python scripts in forks of a child that is started here.

    The child has one thread; Snakemake, which has several, must not fork.
    """
    from snakemake.script import PythonScript

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if (child := os.fork()) == 0:
        ours.close()
        _serve(theirs)
    theirs.close()
    PythonScript.execute_script = lambda script, file, **_: _execute(ours, script.bench_record, file)
    try:
        yield
    finally:
        ours.close()
        os.waitpid(child, 0)


def _execute(server: socket.socket, bench_record, file: str) -> None:
    """Run a script to its end, and measure its process, as Snakemake's `shell` does.

    Raises:
        CalledProcessError: After another exit status than 0.
    """
    from snakemake.benchmark import benchmarked

    ours, theirs = socket.socketpair()
    socket.send_fds(server, [file.encode()], [theirs.fileno()])
    theirs.close()
    with ours, ours.makefile() as answers:
        process = int(answers.readline())
        with benchmarked(process if bench_record is not None else False, bench_record):
            ours.sendall(BEGIN)
            status = int(answers.readline())
    if status:
        raise subprocess.CalledProcessError(status, file)


def _serve(requests: socket.socket) -> None:
    """Fork for every request, up to the end of Snakemake, which closes the socket."""
    while True:
        file, answers, *_ = socket.recv_fds(requests, LONGEST_NAME, 1)
        if not file:
            break
        if os.fork() == 0:
            requests.close()
            _watch(file.decode(), answers[0])
        os.close(answers[0])
    with suppress(ChildProcessError):
        while os.wait():
            pass
    os._exit(0)


def _watch(file: str, answers: int) -> None:
    """Run a script in a fork once it is measured; answer with its process, and with its exit status when it ends."""
    process = os.fork()
    if process == 0:
        if os.read(answers, len(BEGIN)) != BEGIN:  # Snakemake is gone
            os._exit(1)
        os.close(answers)
        _run(file)
    os.write(answers, f"{process}\n".encode())
    _, status = os.waitpid(process, 0)
    os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(file: str) -> None:
    """Run a script as `python file` does; this process ends with it."""
    status = 1
    try:
        sys.argv[:] = [file]
        runpy.run_path(file, run_name="__main__")
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
