"""The `dar-uda` command: what a user wants to do with single files, outside the workflow."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="dar-uda",
        description="Helpers beside the workflow, which runs as: snakemake --cores all",
        epilog="dar-uda COMMAND --help tells more of each. An error is told in words, with the exit status 1.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    inspect = commands.add_parser("inspect", help="print how scans would be read: shape, spacing, slice axis")
    inspect.add_argument(
        "scan",
        metavar="SCAN",
        nargs="+",
        type=Path,
        help="volume file (NIfTI, MetaImage, NRRD) or folder of one DICOM series",
    )
    inspect.set_defaults(run=_inspect)
    phantom = commands.add_parser("phantom", help="write one generated abdomen with its label map")
    phantom.add_argument("domain", choices=["ct", "mr"], help="what it looks like")
    phantom.add_argument("number", metavar="NUMBER", type=int, help="which patient and scanner, from 0")
    phantom.add_argument(
        "folder", metavar="FOLDER", type=Path, help="where DOMAINNUMBER_image.nii.gz and _label.nii.gz go"
    )
    phantom.add_argument("--seed", metavar="NUMBER", type=int, default=0, help="another population (default 0)")
    phantom.set_defaults(run=_phantom)
    _add_cases(commands)
    check = commands.add_parser(
        "check",
        help="read every case of a cases table once and print all that is wrong",
        description="Read every case once and print all that is wrong, as a run does before it trains.",
    )
    check.add_argument("table", metavar="TABLE", type=Path, help="cases table, such as cases.tsv")
    check.add_argument(
        "--processes",
        metavar="NUMBER",
        type=int,
        default=os.cpu_count(),
        help="cases read at a time (default: one a core)",
    )
    check.add_argument(
        "--window",
        action="append",
        default=[],
        type=_window,
        metavar="DOMAIN=LOW,HIGH",
        help="the values that a domain's window brings to 0 and 1, such as ct=-350,350: look whether its scans fit",
    )
    check.set_defaults(run=_check)
    export = commands.add_parser(
        "export",
        help="write a finished method as a bundle, to segment other scans with",
        description="Write a finished method as a bundle: one folder with all that it takes to segment other scans.",
        epilog="example: dar-uda export results/phantom/seed-0/predictions/ct-to-mr/dar_uda -o mr_abdomen",
    )
    export.add_argument(
        "predictions", metavar="MASKS", type=Path, help="of the method, the folder seed-*/predictions/*/METHOD of a run"
    )
    export.add_argument("-o", "--output", required=True, type=Path, metavar="BUNDLE", help="the folder to write")
    export.add_argument(
        "--licence", metavar="TEXT", default="not stated", help="of the weights, as the data they come from allows"
    )
    export.set_defaults(run=_export)
    predict = commands.add_parser(
        "predict",
        help="segment scans with a bundle",
        description="Segment scans, each in its own geometry: a mask as NIfTI, of a DICOM series as DICOM SEG too, the "
        "volumes of its structures in ml. A scan that looks unlike those of the training is warned of.",
        epilog="example: dar-uda predict mr_abdomen scan.nii.gz dicom_folder more_scans/ -o masks",
    )
    predict.add_argument("bundle", metavar="BUNDLE", type=Path, help="folder that `dar-uda export` wrote")
    predict.add_argument(
        "scan",
        metavar="SCAN",
        nargs="+",
        type=Path,
        help="volume file (NIfTI, MetaImage, NRRD), folder of one DICOM series, or folder of volume files",
    )
    predict.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="where SCAN.nii.gz, for a DICOM series SCAN.dcm, and volumes.tsv go",
    )
    predict.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda"],
        default="auto",
        help="where torch computes (default auto: a GPU if there is one)",
    )
    predict.add_argument(
        "--average-views",
        action="store_true",
        help="average five views of each scan (test-time augmentation): slower, sometimes better",
    )
    predict.add_argument(
        "--probabilities", action="store_true", help="write those of every class too: FOLDER/probabilities/SCAN.nii.gz"
    )
    predict.set_defaults(run=_predict)
    status = commands.add_parser(
        "status",
        help="tell what of a run is done, running and failed, and what it waits for",
        description="Tell on one screen what of a run is done, running, failed and stopped, where trainings go on, "
        "and what the run waits for; from its logs and checkpoints, while it runs or after.",
    )
    status.add_argument("folder", metavar="RUN", type=Path, help="its folder, such as results/phantom")
    status.set_defaults(run=_status)
    view = commands.add_parser("view", help="show the test cases and synthetic volumes of a run in a browser")
    view.add_argument("results", type=Path, metavar="RUN", help="results/RUN of a run that has made masks")
    view.add_argument("--port", type=int, default=0, help="of 127.0.0.1 (default: a free one)")
    view.set_defaults(run=_view)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except ModuleNotFoundError as error:
        remedy = "install what this version needs: pip install -c constraints.txt -e ."
        return _failed(f"the package {error.name} is missing; {remedy}")
    except (ValueError, OSError, RuntimeError) as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("out of memory")
    except KeyboardInterrupt:
        return _failed("stopped; what is written is whole") + 129
    return 0


def _failed(text: str) -> int:
    """Print an error so that it stands out; return the exit status."""
    mark = "\x1b[1;31mERROR:\x1b[0m" if sys.stderr.isatty() else "ERROR:"
    print(f"dar-uda: {mark} {text}", file=sys.stderr)
    return 1


class _Plain(logging.Formatter):
    """Messages as they are, but for those that shall stand out."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"{record.levelname}: {text}" if record.levelno > logging.INFO else text


def _log_plainly() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _status(options: argparse.Namespace) -> None:
    from dar_uda.status import status_of

    print(status_of(options.folder))


def _export(options: argparse.Namespace) -> None:
    from dar_uda.bundle.export import export_bundle

    _log_plainly()
    export_bundle(options.predictions, options.output, options.licence)


def _predict(options: argparse.Namespace) -> None:
    from dar_uda.bundle.predict import predict_scans
    from dar_uda.bundle.segmenter import Segmenter

    _log_plainly()
    segmenter = Segmenter.load(options.bundle, options.device)
    predict_scans(segmenter, options.scan, options.output, options.average_views, options.probabilities)


def _view(options: argparse.Namespace) -> None:
    from dar_uda.viewer.serve import view_run

    view_run(options.results, options.port)


def _add_cases(commands: argparse._SubParsersAction) -> None:
    from dar_uda.data.layouts.table import LAYOUTS

    cases = commands.add_parser(
        "cases",
        help="write the cases table of a dataset as it lies on the disk",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Pair the scans and labels of a dataset and write its cases table. Nothing is copied.\n\nlayouts:\n"
        + "\n".join(f"  {name:11} {text}" for name, text in LAYOUTS.items()),
    )
    cases.add_argument("layout", choices=list(LAYOUTS), metavar="LAYOUT", help="one of the above")
    cases.add_argument(
        "folder", metavar="FOLDER", nargs="+", help="FOLDER, or DOMAIN=FOLDER where the files do not tell the domain"
    )
    cases.add_argument(
        "-o", "--output", metavar="TABLE", required=True, type=Path, help="the table to write, such as cases.tsv"
    )
    cases.add_argument("--append", action="store_true", help="add to the table, as for a second dataset")
    cases.add_argument(
        "--test-share",
        metavar="SHARE",
        type=_share,
        default=0.2,
        help="of the patients, where no split is published (default 0.2)",
    )
    cases.add_argument(
        "--seed", metavar="NUMBER", type=int, default=0, help="another draw of these patients (default 0)"
    )
    cases.set_defaults(run=_cases)


def _check(options: argparse.Namespace) -> None:
    from dar_uda.data.cases_table import read_cases_table
    from dar_uda.data.checks.cases import check_cases

    _log_plainly()
    folder, rows = options.table.parent, read_cases_table(options.table)
    cases = [
        {"name": row["case"], "domain": row["domain"]}
        | {what: folder / row[what] if row[what] else "" for what in ("image", "label")}
        for row in rows
    ]
    for domain in sorted({row["domain"] for row in rows} - {row["domain"] for row in rows if row["split"] == "train"}):
        print(f"WARNING: domain {domain} has no case to train: trainings read the cases whose split is `train`")
    print("\n".join(check_cases(cases, dict(options.window), {}, options.processes)))


def _window(text: str) -> tuple[str, tuple[float, float]]:
    domain, _, values = text.partition("=")
    try:
        low, high = map(float, values.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise argparse.ArgumentTypeError(f"{text}: expected a domain and two values, the lower first: ct=-350,350")
    return domain, (low, high)


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share between 0 and 1")
    return share


def _cases(options: argparse.Namespace) -> None:
    from dar_uda.data.layouts.table import write_cases

    split = options.test_share, options.seed
    print("\n".join(write_cases(options.layout, options.folder, options.output, options.append, *split)))


def _inspect(options: argparse.Namespace) -> None:
    from dar_uda.data.geometry import canonical_axes, spacing_of
    from dar_uda.data.volume import read_grid

    for scan in options.scan:
        grid = read_grid(scan)
        axes, _ = canonical_axes(grid.affine)
        spacing = " x ".join(f"{step:.3g}" for step in spacing_of(grid.affine))
        shape = " x ".join(str(size) for size in grid.shape)
        print(f"{scan}: {shape} voxels of {spacing} mm, slice axis {axes[0]}")


def _phantom(options: argparse.Namespace) -> None:
    from dar_uda.data.phantom import make_phantom

    image, label = (
        options.folder / f"{options.domain}{options.number:02d}_{what}.nii.gz" for what in ("image", "label")
    )
    make_phantom(options.domain, options.number, image, label, options.seed)
    print(f"{image}\n{label}")


if __name__ == "__main__":
    sys.exit(main())
