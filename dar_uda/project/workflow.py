"""Where the workflow is, and how it is started: Snakemake's command, in a process of its own."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

SNAKEFILE = "Snakefile"
PASSED_ON = {signal.SIGINT: signal.SIGINT, signal.SIGTERM: signal.SIGTERM, signal.SIGHUP: signal.SIGTERM}
"""What Snakemake and its jobs get for a signal; a closed terminal's would kill Snakemake before it can clean up."""
PACKAGES = Path(__file__).resolve().parents[2]
"""The folder of the package: the checkout, or site-packages."""


def workflow_folder() -> Path:
    """Return the folder with the Snakefile, `config/` and `workflow/`: the checkout, or where a wheel put it.

    Raises:
        FileNotFoundError: There is none.
    """
    if (PACKAGES / SNAKEFILE).is_file() and (PACKAGES / "config" / "config.yaml").is_file():
        return PACKAGES
    try:
        installed = [path for path in files("dar-uda") or [] if path.name == SNAKEFILE]
    except PackageNotFoundError:
        installed = []
    folders = [Path(str(path.locate())).resolve().parent for path in installed]
    shipped = [folder for folder in folders if (folder / "config" / "config.yaml").is_file()]
    if not shipped:
        raise FileNotFoundError(
            f"DAR-412: The Snakefile is neither in {PACKAGES} nor among the files of the installed dar-uda: install "
            "it again, from its folder or its wheel: pip install ."
        )
    return shipped[0]


def snakemake_command(options: Sequence[str], configfile: str) -> list[str]:
    """Return Snakemake's command, to be given in the folder of a project.

    Args:
        options: Of Snakemake.
        configfile: The task, from there.
    """
    snakefile = str(workflow_folder() / SNAKEFILE)
    return ["snakemake", "-s", snakefile, *options, "--configfile", configfile]


def start(command: Sequence[str], folder: Path) -> int:
    """Run Snakemake to its end and return its exit status; Ctrl-C, SIGTERM and a closed terminal end it and its jobs.

    Args:
        command: That of `snakemake_command`.
        folder: In which it works.
    """
    paths = os.pathsep.join(filter(None, [str(PACKAGES), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(  # nosec B603 # no shell, and the options are those that the user types
        [sys.executable, "-P", "-m", *command], cwd=folder, env={**os.environ, "PYTHONPATH": paths}, process_group=0
    )
    with _passed_on(process.pid):
        return process.wait()


@contextmanager
def _passed_on(group: int) -> Iterator[None]:
    """Within the block, pass signals on to a group of processes and go on; what is ignored, as by nohup, stays so."""

    def pass_on(number: int, _: object) -> None:
        os.killpg(group, PASSED_ON[signal.Signals(number)])

    heard = [number for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def written(command: Sequence[str], folder: Path) -> str:
    """Return a command as a user gives it in a shell."""
    return f"cd {shlex.quote(str(folder))} && {shlex.join(command)}"
