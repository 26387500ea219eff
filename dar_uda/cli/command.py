"""The `dar-uda` command: what a user wants to do with single files, outside the workflow."""

import argparse
import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from dar_uda.cli.arguments import parser
from dar_uda.jobs.error_codes import explained
from dar_uda.jobs.text import on_one_line, shown, shown_message


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; return the exit status."""
    options = parser().parse_args(arguments)
    _print_all_letters()
    try:
        with _ended_by_sigterm():
            status = COMMANDS[options.command](options)
        print(end="", flush=True)
        return status or 0
    except ModuleNotFoundError as error:
        remedy = "install what this version needs: pip install -c constraints.txt -e ."
        return _failed(f"DAR-322: the package {error.name} is missing; {remedy}")
    except BrokenPipeError:  # such as `dar-uda inspect ... | head`, which has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError, RuntimeError) as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("DAR-225: out of memory")
    except Exception:  # a fault of the program, whose text may cite a file
        print(shown_message(traceback.format_exc()), file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        more = "; the same command with --continue does the rest" if options.command == "predict" else ""
        return _failed(f"DAR-324: stopped; what is written is whole{more}") + (
            142 if isinstance(error, Terminated) else 129
        )
    return 0


class Terminated(KeyboardInterrupt):
    """The process got SIGTERM: as Ctrl-C, it cleans up and ends."""


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Within the block, SIGTERM raises `Terminated`."""

    def end(*_: object) -> NoReturn:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_all_letters() -> None:
    """Print letters that the terminal's encoding lacks, and bytes of file names that are no letters, as codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _failed(text: str) -> int:
    """Print an error so that it stands out; return the exit status."""
    mark = "\x1b[1;31mERROR:\x1b[0m" if sys.stderr.isatty() else "ERROR:"
    print(f"dar-uda: {mark} {shown_message(explained(text))}", file=sys.stderr)
    return 1


def _say(text: str) -> None:
    """Print a text, which may hold names of files."""
    print(shown(text))


def _say_each(lines: Iterable[str]) -> None:
    """Print lines, which may hold names of files."""
    print(*map(on_one_line, lines), sep="\n")


class _Plain(logging.Formatter):
    """Messages as they are, but for those that shall stand out."""

    def format(self, record: logging.LogRecord) -> str:
        text = shown_message(super().format(record))
        return f"{record.levelname}: {text}" if record.levelno > logging.INFO else text


def _log_plainly() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(True)


def _status(options: argparse.Namespace) -> None:
    from dar_uda.cli.status import status_of

    _say(status_of(options.folder))


def _export(options: argparse.Namespace) -> None:
    from dar_uda.bundle.export import export_bundle

    _log_plainly()
    export_bundle(options.predictions, options.output, options.license, _translation(options.to))


def _translation(program: str | None) -> Callable[[Path, Path], None] | None:
    if program == "monai":
        from dar_uda.bundle.monai_bundle import write_monai_bundle

        return write_monai_bundle
    if program == "onnx":
        from dar_uda.bundle.onnx_network import load_onnx, write_onnx

        load_onnx()  # if it is missing, say so before the work
        return write_onnx
    return None


def _export_nnunet(options: argparse.Namespace) -> None:
    from dar_uda.nnunet.export import export_dataset

    _log_plainly()
    export_dataset(options.dataset, options.output)


def _predict(options: argparse.Namespace) -> None:
    from dar_uda.bundle.facts import read_facts
    from dar_uda.bundle.predict import predict_scans
    from dar_uda.bundle.segmenter import Segmenter
    from dar_uda.training.device import lease_devices

    _log_plainly()
    read_facts(options.bundle)  # a wrong folder is named before the wait for a GPU
    segmenter = Segmenter.load(options.bundle, lease_devices(options.device)[0])
    choices = options.tta, options.save_probabilities, options.skip_done, options.slicer, options.bids
    predict_scans(segmenter, options.scan, options.output, *choices)


def _score(options: argparse.Namespace) -> None:
    from dar_uda.evaluation.score_folders import Structures, score_folders

    _log_plainly()
    labels = _by_structure("--labels", options.labels)
    predicted = labels | _by_structure("--prediction-labels", options.prediction_labels, labels)
    tolerances = _by_structure("--tolerance", options.tolerance, labels)
    structures = Structures(
        list(labels), list(labels.values()), list(predicted.values()), [tolerances.get(name) for name in labels]
    )
    folders = options.predictions, options.references
    _say(score_folders(*folders, structures, options.output, options.patients, options.against))


def _by_structure(
    option: str, pairs: Sequence[tuple[str, Any]], known: Collection[str] | None = None
) -> dict[str, Any]:
    """Return what an option says of each structure, which must be there once, and be a known one."""
    for name, count in Counter(name for name, _ in pairs).items():
        if known is not None and name not in known:
            raise ValueError(f"DAR-354: {option} names {name}; expected structures of --labels: {', '.join(known)}")
        if count > 1:
            raise ValueError(f"DAR-354: {option} names {name} {count} times; expected it once: {name}=...")
    return dict(pairs)


def _view(options: argparse.Namespace) -> None:
    from dar_uda.viewer.serve import view_run

    view_run(options.results, options.port)


def _check(options: argparse.Namespace) -> None:
    from dar_uda.data.cases_table import read_cases_table
    from dar_uda.data.checks.cases import check_cases
    from dar_uda.data.splits import is_in
    from dar_uda.jobs.cores import usable_cores

    _log_plainly()
    folder, rows = options.table.parent, read_cases_table(options.table)
    domains = sorted({row["domain"] for row in rows})
    if unknown := sorted(dict(options.window).keys() - set(domains)):
        raise ValueError(
            f"DAR-106: --window {', '.join(unknown)}: {options.table} has the domains {', '.join(domains)}"
        )
    cases = [
        {"name": row["case"], **{what: row[what] for what in ("domain", "patient", "split")}}
        | {what: folder / row[what] if row[what] else "" for what in ("image", "label")}
        for row in rows
    ]
    for domain in sorted(set(domains) - {row["domain"] for row in rows if is_in(row["split"], "train")}):
        _say(
            f"WARNING: domain {domain} has no case to train: trainings read the cases whose split is `train` or `both` "
            "(DAR-253)"
        )
    processes = options.processes or usable_cores()
    _say_each(check_cases(cases, dict(options.window), {}, processes))


def _init(options: argparse.Namespace) -> None:
    from dar_uda.project.init import init_project

    _log_plainly()
    _say_each(init_project(options.source, options.target, options.output, _init_options(options)))


def _init_options(options: argparse.Namespace) -> Any:
    from dar_uda.project.choices import Options

    labels, target_labels = (
        _by_structure(option, [pair for pairs in given for pair in pairs])
        for option, given in (("--labels", options.labels), ("--target-labels", options.target_labels))
    )
    drawn = options.test_fraction, options.seed
    return Options(labels, target_labels, options.budget, *drawn, options.probe, options.hu)


def _run(options: argparse.Namespace) -> int:
    from dar_uda.project.init import init_project
    from dar_uda.project.plan import TASK
    from dar_uda.project.run import check_same_scans, run_project

    _log_plainly()
    scans = options.project if len(options.project) > 1 else []
    if len(scans) > 2 or (options.output is None) == bool(scans):
        raise ValueError(
            "DAR-416: expected a project, as in dar-uda run project, or source, target and the project to write, as "
            "in dar-uda run ct=/data/ct mr=/data/mr -o project"
        )
    project = options.output or Path(options.project[0])
    if scans and (project / TASK).exists():
        check_same_scans(project, scans[0], scans[1])
        _say(f"{project / TASK} is there and is used as it is")
    elif scans:
        _say_each(init_project(scans[0], scans[1], project, _init_options(options)))
    cores = ["--cores", options.cores or "all"] if options.cores or not options.profile else []
    resources = ["--resources", *options.resources] if options.resources else []
    return run_project(project, [*cores, *resources, *_profile(options.profile)])


def _profile(given: str | None) -> list[str]:
    """Return the option for Snakemake, which works in the project's folder; a profile may also be known by its name."""
    if not given:
        return []
    return ["--profile", str(Path(given).absolute()) if Path(given).exists() else given]


def _cases(options: argparse.Namespace) -> None:
    from dar_uda.data.layouts.table import write_cases

    split = options.test_fraction, options.seed
    _say_each(write_cases(options.layout, options.folder, options.output, options.append, *split, options.series))


def _inspect(options: argparse.Namespace) -> None:
    from dar_uda.data.inspection import inspect_scans

    _log_plainly()
    inspect_scans(options.scan)


def _phantom(options: argparse.Namespace) -> None:
    from dar_uda.data.phantom import make_phantom

    image, label = (
        options.folder / f"{options.domain}{options.number:02d}_{what}.nii.gz" for what in ("image", "label")
    )
    if there := [path for path in (image, label) if os.path.lexists(path)]:
        raise FileExistsError(f"DAR-260: {there[0]} exists: give another folder, or delete it")
    make_phantom(options.domain, options.number, image, label, options.seed)
    _say(f"{image}\n{label}")


COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "init": _init,
    "run": _run,
    "inspect": _inspect,
    "phantom": _phantom,
    "cases": _cases,
    "check": _check,
    "status": _status,
    "view": _view,
    "export": _export,
    "export-nnunet": _export_nnunet,
    "predict": _predict,
    "score": _score,
}


if __name__ == "__main__":
    sys.exit(main())
