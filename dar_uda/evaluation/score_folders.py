"""Score folders of masks that any program made: tables as those of a run, and a page to read."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from dar_uda.data.companions import companions
from dar_uda.data.formulas import as_cell
from dar_uda.data.given_images import names_apart
from dar_uda.data.labels import check_label_values
from dar_uda.data.tolerances import tolerances_in_words
from dar_uda.evaluation import paired
from dar_uda.evaluation.case_means import read_cases
from dar_uda.evaluation.folders import check_grids, files_by_case, matching_files, read_patients
from dar_uda.evaluation.pages import Page, to_markdown
from dar_uda.evaluation.quantities import METRICS, meanings
from dar_uda.evaluation.score import (
    ABSENT,
    COLUMNS,
    FALSE_ALARM,
    FALSE_NEGATIVE,
    read_metrics,
    rows_of_case,
    write_metrics,
)
from dar_uda.evaluation.score_tables import method_table
from dar_uda.evaluation.summary import summarize
from dar_uda.jobs.files import check_not_read, check_writable, place, staging
from dar_uda.jobs.progress import Bar
from dar_uda.jobs.text import shown_name
from dar_uda.preprocessing.classes import read_classes, read_label_map

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Structures:
    """What is scored.

    Attributes:
        names: In the order of the rows.
        values: For each the values in the references that make it up.
        predicted_values: The same in the predictions.
        tolerances: For each the tolerance of its NSD in mm; None: it has no NSD.
    """

    names: list[str]
    values: list[list[int]]
    predicted_values: list[list[int]]
    tolerances: list[float | None]


@dataclass(frozen=True)
class _Scored:
    """A folder of predictions: its name in tables, its files in the order of the references, and its table."""

    name: str
    folder: Path
    files: list[Path]
    table: Path


def score_folders(
    predictions: Path,
    references: Path,
    structures: Structures,
    table: Path,
    patients: Path | None = None,
    against: Path | None = None,
) -> str:
    """Write the scores of a folder of predictions, and of another one; return them as a page, Markdown.

    Files of one name are of one case. Every reference needs a prediction, on its grid up to order and sense of the
    axes. The scores are those of `score_method`, of predictions that may have other values than classes.

    Args:
        predictions, references: Folders of volume files.
        table: Output TSV with the columns of `score_method`.
        patients: See `read_patients`; None: every case is its own patient.
        against: Another folder of predictions. Its scores go to `TABLE-against.tsv`, the paired differences of both
            to `TABLE-differences.tsv`, see `paired_differences`.

    Raises:
        ValueError: Files are missing or do not fit, or an output would replace something else: nothing is written.
    """
    for values in (structures.values, structures.predicted_values):
        check_label_values(values)
    _check_apart({"REFERENCES": references, "PREDICTIONS": predictions} | ({"--against": against} if against else {}))
    true = files_by_case(references)
    scored = list(_matched(predictions, against, true, table))
    differences = _beside(table, "differences")
    of_cases = list(true) if patients is None else read_patients(patients, list(true))
    outputs = {one.table: COLUMNS for one in scored} | ({differences: paired.COLUMNS} if against else {})
    inputs = [*true.values(), *(file for one in scored for file in one.files)]
    _check_outputs(outputs, [*inputs, patients] if patients else inputs)
    check_writable(table.parent)
    with staging(table.parent) as stage:
        tables = []
        for one in scored:
            _score(one, true, of_cases, structures, stage / one.table.name)
            tables.append(method_table(summarize([_entry(one, stage)], [], structures.names, {}, []), one.name))
        if against:
            pair = [(one.name, read_cases([_entry(one, stage)], structures.names)) for one in scored]
            found = paired.paired_differences(*pair, structures.names)
            paired.write_paired_differences(found, stage / differences.name)
            tables += paired.paired_tables(found)
        for path in outputs:
            place(stage / path.name, path)
    logger.info("Written: %s", ", ".join(map(str, outputs)))
    counted = f"{len(true)} cases of {len(set(of_cases))} patients"
    stamp = f"{' and '.join(str(one.folder) for one in scored)}, scored by {references}: {counted}"
    return to_markdown(Page(stamp, tables, _explanation(structures, is_paired=against is not None)))


def _check_apart(folders: Mapping[str, Path]) -> None:
    for (name, folder), (other, same) in combinations(folders.items(), 2):
        if folder.resolve() == same.resolve():
            raise ValueError(f"DAR-350: {other} {same} is the folder of {name} itself: give another one")


def _matched(predictions: Path, against: Path | None, references: Mapping[str, Path], table: Path) -> Iterator[_Scored]:
    """Yield the folders that are scored, with files that fit the references."""
    folders = [predictions] if against is None else [predictions, against]
    for folder, name, path in zip(folders, names_apart(folders), [table, _beside(table, "against")], strict=False):
        files = matching_files(folder, references)
        check_grids(files, references)
        yield _Scored(as_cell(shown_name(name)), folder, files, path)


def _beside(table: Path, what: str) -> Path:
    return table.parent / f"{table.stem}-{what}{table.suffix}"


def _check_outputs(outputs: Mapping[Path, Sequence[str]], inputs: Sequence[Path]) -> None:
    """See that outputs replace nothing but tables with the same columns."""
    check_not_read(outputs, [*inputs, *(file for path in inputs for file in companions(path))])
    for path, columns in outputs.items():
        if path.suffix != ".tsv":
            raise ValueError(f"DAR-356: {path} would hold tab-separated text: give -o a name that ends with .tsv")
        if path.is_symlink() or path.exists():
            first = b""
            with suppress(OSError), path.open("rb") as file:
                first = file.readline()
            if first.strip() != "\t".join(columns).encode():
                raise ValueError(f"DAR-356: {path} exists, and is not such a table: give another -o, or move it away")


def _score(
    scored: _Scored, references: Mapping[str, Path], patients: Sequence[str], structures: Structures, table: Path
) -> None:
    """Write the table of a folder, and warn of structures that no file holds."""
    rows = []
    progress = Bar(f"score {scored.name}", len(references), unit="case")
    cases = zip(references.items(), patients, scored.files, strict=True)
    for done, ((case, reference), patient, path) in enumerate(cases, start=1):
        prediction = read_label_map(case, path, path, structures.predicted_values)
        true = read_classes(case, reference, path, prediction.grid, structures.values)
        rows += rows_of_case(as_cell(case), as_cell(patient), prediction, true, structures.names, structures.tolerances)
        progress.report(done)
    write_metrics(rows, table)
    for structure, status in read_metrics(table).groupby("structure", sort=False)["status"]:
        if status.isin([FALSE_ALARM, ABSENT]).all():
            logger.warning("DAR-357: no reference holds %s: look at the values in --labels", structure)
        elif status.isin([FALSE_NEGATIVE, ABSENT]).all():
            logger.warning(
                "DAR-357: no mask in %s holds %s: if its value is another one there, give --prediction-labels",
                *(scored.folder, structure),
            )


def _entry(scored: _Scored, stage: Path) -> dict[str, Any]:
    """Return a folder's table as `read_cases` takes it; masks of unknown make count as those of one training."""
    return {"direction": "", "method": scored.name, "seed": 0, "path": stage / scored.table.name}


def _explanation(structures: Structures, is_paired: bool) -> list[str]:
    shown = [name for name in METRICS if name != "nsd" or any(structures.tolerances)]
    tolerances = [tolerances_in_words(structures.names, structures.tolerances)] if "nsd" in shown else []
    return [*meanings(shown), *tolerances, *([paired.meaning_of_pairs()] if is_paired else [])]
