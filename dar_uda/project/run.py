"""A project's run: Snakemake to its end, then where the masks and the report are."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from dar_uda.plan.plan import Plan
from dar_uda.project.init import first_line
from dar_uda.project.plan import TASK, read_plan
from dar_uda.project.workflow import snakemake_command, start, written

PREFERRED = "dar_uda"


def run_project(project: Path, options: Sequence[str]) -> int:
    """Run a project, or go on with it, and print where its results are; return Snakemake's exit status.

    Args:
        project: Folder that `dar-uda init` wrote.
        options: Of Snakemake.

    Raises:
        FileNotFoundError: It has no task.
    """
    if not (project / TASK).is_file():
        raise FileNotFoundError(
            f"DAR-411: {project} has no {TASK}; expected a folder that dar-uda init wrote: "
            f"dar-uda init DOMAIN=FOLDER DOMAIN=FOLDER -o {shlex.quote(str(project))}"
        )
    plan = read_plan(project)
    command = snakemake_command(options, TASK)
    print(written(command, project.absolute()), flush=True)
    status = start(command, project)
    if status == 0:
        print("\n".join(results_of(plan, project)))
    else:
        folder = project / plan.paths.folder
        print(f"Snakemake ended with status {status}; what is done is kept, and the same command goes on from there.")
        print(f"What failed: dar-uda status {shlex.quote(str(folder))}")
    return status


def check_same_scans(project: Path, source: str, target: str) -> None:
    """Raise where a project was written for other folders.

    Raises:
        ValueError: It was.
    """
    found = (project / TASK).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    if found != first_line(source, target):
        raise ValueError(
            f"DAR-415: {project} is of other scans: its {TASK} begins with {found[:300]!r}; give another folder with "
            f"-o, or run that one: dar-uda run {shlex.quote(str(project))}"
        )


def results_of(plan: Plan, project: Path) -> list[str]:
    """Return lines with the paths of a finished run's masks and report, and the next command."""
    rows = plan.summary.masked
    row = next((row for row in rows if row.method == PREFERRED), rows[-1])
    masks = project / plan.paths.predictions(row.seed, row.direction, row.method)
    bundle = shlex.quote(str(project / "bundle"))
    return [
        f"Masks: {masks}",
        f"Report: {project / plan.paths.report('summary')}",
        f"Next, to segment other scans: dar-uda export {shlex.quote(str(masks))} -o {bundle}",
    ]
