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
        description="Helpers beside the workflow (which runs as: snakemake --cores 8).",
        epilog="dar-uda COMMAND --help says more of one.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = _command(
        commands, "inspect", "print how scans would be read: shape, spacing, slice axis", "ct/p01.nii.gz mr/q01_t2"
    )
    inspect.add_argument(
        "scan",
        nargs="+",
        type=Path,
        metavar="SCAN",
        help="volume file (NIfTI, MetaImage, NRRD) or folder of one DICOM series",
    )
    inspect.set_defaults(run=_inspect)
    phantom = _command(commands, "phantom", "write one generated abdomen with its label map", "mr 3 scans")
    phantom.add_argument("domain", choices=["ct", "mr"], help="the modality")
    phantom.add_argument("number", type=int, metavar="NUMBER", help="which patient and scanner, from 0")
    phantom.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="where the two files go, such as mr03_image.nii.gz and mr03_label.nii.gz",
    )
    phantom.add_argument("--seed", type=int, default=0, help="another population (default 0)")
    phantom.set_defaults(run=_phantom)
    _add_cases(commands)
    check = _command(
        commands,
        "check",
        "read every case of a cases table once and print all that is wrong",
        "cases.tsv --window ct=-350,350",
    )
    check.add_argument("table", type=Path, metavar="TABLE", help="cases table, such as cases.tsv")
    check.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count(),
        metavar="COUNT",
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
    export = _command(
        commands,
        "export",
        "write a finished method as a bundle, to segment other scans with",
        "results/phantom/seed-0/predictions/ct-to-mr/dar_uda -o mr_abdomen",
    )
    export.add_argument(
        "predictions",
        type=Path,
        metavar="MASKS",
        help="the folder of its masks in a finished run: results/RUN/seed-SEED/predictions/DIRECTION/METHOD",
    )
    export.add_argument("-o", "--output", required=True, type=Path, metavar="BUNDLE", help="the folder to write")
    export.add_argument(
        "--licence",
        default="not stated",
        metavar="TEXT",
        help="of the weights, as the data they come from allows (default: not stated)",
    )
    export.set_defaults(run=_export)
    predict = _command(
        commands, "predict", "segment scans with a bundle", "mr_abdomen scan.nii.gz dicom_folder -o masks"
    )
    predict.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that `dar-uda export` wrote")
    predict.add_argument(
        "scan",
        nargs="+",
        type=Path,
        metavar="SCAN",
        help="volume file, folder of one DICOM series, or folder of volume files",
    )
    predict.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FOLDER", help="where SCAN.nii.gz and volumes.tsv go"
    )
    predict.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where torch computes (default auto)"
    )
    predict.add_argument(
        "--average-views", action="store_true", help="average five views of each scan: slower, sometimes better"
    )
    predict.set_defaults(run=_predict)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"dar-uda: {error}", file=sys.stderr)
        return 1
    return 0


def _command(commands: argparse._SubParsersAction, name: str, what: str, example: str) -> argparse.ArgumentParser:
    """Return the parser of a subcommand, whose help begins with what it does and ends with an example."""
    sentence = f"{what[0].upper()}{what[1:]}."
    return commands.add_parser(
        name,
        help=what,
        description=sentence,
        epilog=f"example: dar-uda {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _export(options: argparse.Namespace) -> None:
    from dar_uda.bundle.export import export_bundle

    export_bundle(options.predictions, options.output, options.licence)


def _predict(options: argparse.Namespace) -> None:
    from dar_uda.bundle.predict import predict_scans
    from dar_uda.bundle.segmenter import Segmenter

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    segmenter = Segmenter.load(options.bundle, options.device)
    predict_scans(segmenter, options.scan, options.output, options.average_views)


def _add_cases(commands: argparse._SubParsersAction) -> None:
    from dar_uda.data.layouts.table import LAYOUTS

    cases = _command(
        commands, "cases", "write the cases table of a dataset as it lies on the disk", "chaos /data/CHAOS -o cases.tsv"
    )
    layouts = "\n".join(f"  {name:11} {text}" for name, text in LAYOUTS.items())
    cases.description += f" Scans and labels are paired,\nnothing is copied.\n\nlayouts:\n{layouts}"
    cases.add_argument("layout", choices=list(LAYOUTS), metavar="LAYOUT", help="one of the above")
    cases.add_argument(
        "folder", nargs="+", metavar="FOLDER", help="its folder; DOMAIN=FOLDER where the files do not tell the domain"
    )
    cases.add_argument(
        "-o", "--output", required=True, type=Path, metavar="TABLE", help="the table to write, such as cases.tsv"
    )
    cases.add_argument("--append", action="store_true", help="add to the table, as for a second dataset")
    cases.add_argument(
        "--test-share",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="of the patients, where no split is published (default 0.2)",
    )
    cases.add_argument("--seed", type=int, default=0, help="another draw of these patients (default 0)")
    cases.set_defaults(run=_cases)


def _check(options: argparse.Namespace) -> None:
    from dar_uda.data.cases_table import read_cases_table
    from dar_uda.data.checks.cases import check_cases

    logging.basicConfig(level=logging.INFO, format="%(message)s")
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
