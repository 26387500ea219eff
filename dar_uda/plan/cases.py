"""The cases of a run: the rows of its cases table, checked, with paths that count from the working directory."""

# ruff: noqa: PTH109, PTH110, PTH113, PTH117, PTH118, PTH120
# os.path keeps a path as it is written, and answers where pathlib raises: a name that is too long, a closed folder.
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from dar_uda.data.absent import advice_on_absent
from dar_uda.data.cases_table import Row, problems_of_path, read_rows
from dar_uda.data.companions import companions
from dar_uda.data.phantom_files import is_phantom, path_in, phantom_path, problems_of_phantoms
from dar_uda.data.splits import GROUPS, is_in
from dar_uda.data.volume_index import file_of, split_index
from dar_uda.plan.config import Config
from dar_uda.plan.errors import PlanError
from dar_uda.plan.paths import Paths

FILES = ("image", "label")
"""The columns of a cases table that hold paths."""


@dataclass(frozen=True)
class Case:
    """One row of the cases table; `label` and `patient` are "" where there is none.

    Attributes:
        image: The file or folder that rules read, as `label`: that of the table, or of a 4D file the volume that rule
            extract_volume takes out of it.
        named: What the table names as `image` and `label`, where that is a volume of a 4D file.
    """

    name: str
    domain: str
    split: str
    image: str
    label: str
    patient: str = ""
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_generated(self) -> bool:
        """Whether rule make_phantom writes the case's files."""
        return is_phantom(self.image)

    @property
    def files(self) -> list[str]:
        """The user's image, and the label where there is one; for a volume of a 4D file that file."""
        return [file_of(self.as_named(what)) for what in FILES if getattr(self, what)]

    def as_named(self, what: str) -> str:
        """Return the `image` or `label` as the table names it, such as `dwi.nii.gz/3`."""
        return self.named.get(what) or getattr(self, what)

    @property
    def patient_or_name(self) -> str:
        """The patient, or the case's name where the table names none: the case is its own patient."""
        return self.patient or self.name


@dataclass(frozen=True)
class Cases:
    """All cases of a run, in the order of the table."""

    all: tuple[Case, ...]
    _groups: dict[tuple[str, str], list[Case]] = field(default_factory=dict, init=False, repr=False)
    _by_name: dict[tuple[str, str], Case] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for case in self.all:
            for group in GROUPS[case.split]:
                self._groups.setdefault((case.domain, group), []).append(case)
            self._by_name[case.domain, case.name] = case

    def of(self, domain: str, group: str, labeled: bool = False) -> list[str]:
        """Return the names of a domain's cases in a group, those with a label alone if `labeled`.

        Args:
            group: `train`, `test`, or `both` for the cases that are in these two.
        """
        return [case.name for case in self._groups.get((domain, group), []) if case.label or not labeled]

    def named(self, domain: str, name: str) -> Case:
        """Return a case of a domain.

        Raises:
            PlanError: The domain has no case of this name.
        """
        if (domain, name) not in self._by_name:
            raise PlanError(
                f"DAR-038: Domain {domain} of the cases table has no case {name!r}; look at the name in the table."
            )
        return self._by_name[domain, name]

    def patients(self, domain: str, names: Sequence[str]) -> list[str]:
        """Return the patient of each of a domain's cases, see `Case.patient_or_name`."""
        return [self.named(domain, name).patient_or_name for name in names]

    @property
    def files(self) -> list[str]:
        """The user's images and labels of all cases, each file once."""
        return list(dict.fromkeys(path for case in self.all for path in case.files))

    @property
    def generated(self) -> list[Case]:
        """The cases whose files rule make_phantom writes."""
        return [case for case in self.all if case.is_generated]


def read_cases(config: Config, project: Path, has_files: bool = True, may_generate: bool = True) -> Cases:
    """Return the cases of a run's table, checked.

    Args:
        project: Folder of the project, from which the table of a shipped task counts.
        has_files: Whether this machine has the user's files, and a path at which nothing lies is an error.
        may_generate: Whether this process plans the run, and a file that it would write over is an error.

    Raises:
        PlanError: There is no table, or the message says all that is wrong with it.
    """
    table, folder = _find_table(config, project)
    path_of = cache(partial(path_from, folder))

    def located(row: Row) -> Row:
        return row | {what: path_of(row[what]) for what in FILES}

    try:
        read, problems = read_rows(table, lambda row: _problems_of(located(row), config, has_files))
    except ValueError as error:
        raise PlanError(str(error)) from None
    rows = list(map(located, read))
    if may_generate:
        problems += problems_of_phantoms(rows)
    if problems:
        raise PlanError("\n  ".join([f"Cases table {table}:", *problems]))
    return Cases(tuple(_case_of(row, Paths.of_run(config.run)) for row in rows))


def _case_of(row: Row, paths: Paths) -> Case:
    named = {what: row[what] for what in FILES if split_index(row[what])[1] is not None}
    read = row | {what: paths.case(row["domain"], row["case"], f"original_{what}.nii") for what in named}
    return Case(row["case"], row["domain"], row["split"], read["image"], read["label"], row["patient"], named)


def cases_to_check(cases: Cases, config: Config) -> list[dict[str, str | bool]]:
    """Return the cases for rule check_cases, which describes only the labels on which the summary's methods train.

    Those are labels of the sources and, for `supervised`, of targets whose cases with split `both` have none. Cases
    that trainings see or methods are tested on have their patient and split, where the table names the patient.
    """
    targets = {direction.target for direction in config.directions}
    names = [name for name in config.tables["summary"]["methods"] if name in config.methods]
    sets = {config.methods[name]["training_set"] for name in names}
    trained_on = {direction.source for direction in config.directions}
    if "{target}" in sets:
        trained_on |= {target for target in targets if not cases.of(target, "both", labeled=True)}
    return [
        {
            "name": case.name,
            "domain": case.domain,
            "image": case.as_named("image"),
            "label": case.as_named("label"),
            "label_values": is_in(case.split, "train") and case.domain in trained_on,
            **_patient_to_check(case, targets),
        }
        for case in cases.all
    ]


def _patient_to_check(case: Case, targets: Collection[str]) -> dict[str, str | bool]:
    split = "train" if case.split == "both" and case.domain not in targets else case.split
    is_used = split == "train" or case.domain in targets
    return {"patient": case.patient, "split": split} if case.patient and is_used else {}


def _find_table(config: Config, project: Path) -> tuple[str, str]:
    """Return the path of the cases table and the folder from which its paths count."""
    name, chosen = config.task.name, config.values["cases"]
    table = chosen or config.task.cases
    if table is None:
        raise PlanError(
            f"DAR-017: Task {name} has no cases table: name one, as in --config task={name} cases=/data/cases.tsv"
        )
    folder = os.path.dirname(table)
    if not os.path.exists(table) and not chosen:
        table = str(project / table)
    if not os.path.isfile(table):
        raise PlanError(f"DAR-018: Cases table {table} does not exist (in {os.getcwd()}){advice_on_absent(table)}.")
    return table, folder


def path_from(folder: str, path: str) -> str:
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


def _problems_of(row: Row, config: Config, has_files: bool) -> Iterator[str]:
    """Yield what is wrong with a row in this run: its domain, paths that a run cannot take, files that are not there.

    A job on a machine without the scans does not look for them: Snakemake gives it none that reads them.
    """
    case, domains = row["case"], config.task.domains
    if row["domain"] not in domains:
        yield (
            f"DAR-022: case {case}: domain {row['domain']!r} is not in task {config.task.name} ({', '.join(domains)})."
        )
    for what in FILES:
        for path in (row[what], *map(str, companions(row[what]))):
            for problem in problems_of_path(path):
                yield f"case {case}: {what} {path!r} {problem}."
        needed = row[what] and not is_phantom(row["image"]) and has_files
        file = file_of(row[what])
        if needed and not os.path.exists(file):
            yield f"DAR-019: case {case}: {what} {file} does not exist{advice_on_absent(file)}."
        if is_result(row[what], config.run) and not is_phantom(row[what]):
            yield (
                f"DAR-021: case {case}: {what} {row[what]} is a result of the workflow, which it may write over: "
                "copy it elsewhere."
            )


def is_result(path: str, run: str) -> bool:
    """Return whether a path is of this run, or among those of any run that are outputs of rules by themselves."""
    results = rf"results/({re.escape(run)}|[^/]+/(cases|seed-[^/]+/synthetic))/"
    return re.match(results, path_in(f"results/{run}", path_in("results", path))) is not None
