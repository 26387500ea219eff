"""The cases table, checked, and what it says of a case, a domain or a direction."""

import os
import re
from functools import cache

from dar_uda.data.absent import advice_on_absent
from dar_uda.data.cases_table import problems_of_path, read_rows
from dar_uda.data.companions import companions
from dar_uda.data.phantom_files import (
    is_phantom,
    path_in,
    phantom_path,
    problems_of_phantoms,
)

RESULTS = re.compile(rf"results/({re.escape(RUN)}|[^/]+/(cases|seed-[^/]+/synthetic))/")
"""Paths of this run, and those of any run that are outputs of rules by themselves."""


def find_cases_table():
    """Return the path of the cases table and the folder from which its paths count."""
    table = config["cases"] or TASK.cases
    if table is None:
        raise WorkflowError(
            f"Task {config['task']} has no cases table: name one, as in --config task={config['task']} cases=/data/cases.tsv"
        )
    folder = os.path.dirname(table)
    if not os.path.exists(table) and not config["cases"]:
        table = str(HERE / table)
    if not os.path.isfile(table):
        raise WorkflowError(
            f"Cases table {table} does not exist (in {os.getcwd()}){advice_on_absent(table)}."
        )
    return table, folder


@cache
def path_from(folder, path):
    """Return `path`, which counts from `folder`, as counted from the working directory; "" stays empty.

    Behind a link, `..` is the parent of the folder to which the link points.
    """
    if not path:
        return ""
    given = os.path.join(folder, path)
    path = os.path.normpath(given)
    if os.path.realpath(given) != os.path.realpath(path):
        path = os.path.realpath(given)
    inside = os.path.isabs(path) and path.startswith(os.getcwd() + os.sep)
    return phantom_path(os.path.relpath(path) if inside else path)


def is_generated(row):
    """Return whether rule make_phantom writes the image of this case."""
    return is_phantom(row["image"])


def read_cases():
    """Return the rows of the cases table, checked, with paths counted from the working directory."""
    table, folder = find_cases_table()
    try:
        rows, problems = read_rows(table, lambda row: problems_of(located(row, folder)))
    except ValueError as error:
        raise WorkflowError(str(error)) from None
    rows = [located(row, folder) for row in rows]
    if workflow.is_main_process:
        problems += problems_of_phantoms(rows)
    if problems:
        raise WorkflowError("\n  ".join([f"Cases table {table}:", *problems]))
    return rows


def located(row, folder):
    """Return a row of a table in `folder` with paths that count from the working directory."""
    return row | {what: path_from(folder, row[what]) for what in ("image", "label")}


def problems_of(row):
    """Yield what is wrong with a row in this task: its domain, paths that a run cannot take, files that are not there.

    A job on a machine without the scans does not look for them: Snakemake gives it none that reads them.
    """
    if row["domain"] not in DOMAINS:
        yield f"case {row['case']}: domain {row['domain']!r} is not in task {config['task']} ({', '.join(DOMAINS)})."
    for what in ("image", "label"):
        for path in (row[what], *map(str, companions(row[what]))):
            for problem in problems_of_path(path):
                yield f"case {row['case']}: {what} {path!r} {problem}."
        needed = row[what] and not is_generated(row) and not workflow.remote_exec
        if needed and not os.path.exists(row[what]):
            yield f"case {row['case']}: {what} {row[what]} does not exist{advice_on_absent(row[what])}."
        result = path_in(f"results/{RUN}", path_in("results", row[what]))
        if RESULTS.match(result) and not is_phantom(row[what]):
            yield f"case {row['case']}: {what} {row[what]} is a result of the workflow, which it may write over: copy it elsewhere."


def cases_of(domain, split, labelled=False):
    """Return the names of a domain's cases of one split, in the order of the table."""
    return [
        row["case"]
        for row in CASES
        if row["domain"] == domain
        and row["split"] == split
        and (row["label"] or not labelled)
    ]


def file_of(row, what):
    """Return the image or label file of a row as an input.

    Where results lie in a storage that has no disk in common with this machine, the user's files stay here, and with
    them the jobs that read them.
    """
    return row[what] if is_generated(row) or not row[what] else local(row[what])


def original(case, domain, what):
    """Return the user's image or label file of a case as an input."""
    if (domain, case) not in ROWS:
        raise WorkflowError(
            f"Domain {domain} of the cases table has no case {case!r}; look at the name in the table."
        )
    return file_of(ROWS[domain, case], what)


def original_image(wildcards):
    return original(wildcards.case, wildcards.domain, "image")


def original_label(wildcards):
    return original(wildcards.case, wildcards.domain, "label")


def voxels_of(*paths):
    """Return the files beside the user's header files (.hdr, .mhd, .nhdr) that hold their voxels."""
    return [local(str(file)) for path in paths if path for file in companions(path)]


def files_to_check():
    """Return the cases for rule check_cases, which describes the labels on which the summary's methods train, no others."""
    sets = {METHODS[name]["training_set"] for name in TABLES["summary"]["methods"]}
    ends = [source_of, target_of] if "{target}" in sets else [source_of]
    trained_on = {end(direction) for direction in DIRECTIONS for end in ends}
    return [
        {
            "name": row["case"],
            **{key: row[key] for key in ("domain", "image", "label")},
            "label_values": row["split"] == "train" and row["domain"] in trained_on,
        }
        for row in CASES
    ]


CASES = read_cases()
ROWS = {(row["domain"], row["case"]): row for row in CASES}
GENERATED = [row for row in CASES if is_generated(row)]
