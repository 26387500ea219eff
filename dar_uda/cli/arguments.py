"""The words that the `dar-uda` command takes, and what its help says of them."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from dar_uda.cli.values import fraction, from_zero, label_values, series, several_label_values, tolerance, window
from dar_uda.jobs.text import on_one_line
from dar_uda.plan.renamed import names


def parser() -> argparse.ArgumentParser:
    """Return the parser; `command` of what it parses is the subcommand's name."""
    whole = _Parser(
        prog="dar-uda",
        description="Helpers beside the workflow, which runs as: snakemake --cores all",
        epilog="dar-uda COMMAND --help tells more of each. An error is told in words, with the exit status 1.",
    )
    whole.add_argument("--version", action="version", version=f"dar-uda {version('dar-uda')}")
    commands = whole.add_subparsers(required=True, dest="command", metavar="COMMAND", title="commands")
    for add in (
        _init,
        _run,
        _inspect,
        _phantom,
        _cases,
        _check,
        _status,
        _view,
        _export,
        _export_nnunet,
        _predict,
        _score,
    ):
        add(commands)
    return whole


class _Parser(argparse.ArgumentParser):
    """A parser whose errors say what an option of earlier versions is now."""

    given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.given = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        now = {row.before.split()[-1]: row.name.split()[-1] for row in names() if row.kind == "option" and row.before}
        old = [word for word in dict.fromkeys(each.partition("=")[0] for each in self.given) if word in now]
        super().error(on_one_line("; ".join([message, *(f"{word} is now {now[word]}" for word in old)])))


def _command(commands: argparse._SubParsersAction, name: str, what: str, example: str) -> argparse.ArgumentParser:
    """Return the parser of a subcommand, whose help begins with what it does and ends with an example."""
    return commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=f"example: dar-uda {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _init(commands: argparse._SubParsersAction) -> None:
    init = _command(
        commands,
        "init",
        "write cases.tsv and task.yaml for two folders of scans, with the reason for every value",
        "ct=/data/ct mr=/data/mr -o project --labels liver=1,spleen=6",
    )
    init.description += (
        "\nThe first folder has the labels. Read are plain files with labels beside them, DICOM folders and the "
        "layouts\nof `dar-uda cases`; or a cases table."
    )
    for name, what in (("source", "the labeled scans"), ("target", "the scans to segment")):
        init.add_argument(name, metavar=name.upper(), help=f"{what}: DOMAIN=FOLDER, such as ct=/data/ct")
    init.add_argument(
        "-o", "--output", required=True, type=Path, metavar="PROJECT", help="the folder to write, such as project"
    )
    _choices_of_init(init)


def _choices_of_init(command: argparse.ArgumentParser) -> None:
    many: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "STRUCTURE=VALUE"}
    command.add_argument(
        "--labels",
        type=several_label_values,
        help="structures and their values in the source's labels, where no file names them: liver=1,spleen=6,7",
        **many,
    )
    command.add_argument(
        "--target-labels",
        type=several_label_values,
        help="their values in the target's labels, where they differ",
        **many,
    )
    command.add_argument(
        "--hu",
        action="append",
        default=[],
        metavar="DOMAIN",
        help="the scans of this domain are in HU, as CT cropped to the body (default: by values and headers)",
    )
    command.add_argument("--budget", metavar="NAME", help="laptop, gpu, paper or demo (default: by this machine)")
    _split(command, "of the target's labeled patients")
    command.add_argument(
        "--probe", action="store_true", help="measure a few trial steps for the estimate (default: documented times)"
    )


def _run(commands: argparse._SubParsersAction) -> None:
    run = _command(
        commands, "run", "run a project to masks and a report; the same command goes on after a stop", "project"
    )
    run.description += "\nWith SOURCE and TARGET it writes the project first, as `dar-uda init` does."
    run.add_argument(
        "project", nargs="+", metavar="PROJECT", help="folder that `dar-uda init` wrote; or SOURCE TARGET, with -o"
    )
    run.add_argument("-o", "--output", type=Path, metavar="PROJECT", help="the folder to write, with SOURCE and TARGET")
    _choices_of_init(run)
    run.add_argument("--cores", metavar="NUMBER", help="Snakemake's: how many to use (default all)")
    run.add_argument("--resources", nargs="+", default=[], metavar="NAME=NUMBER", help="Snakemake's, such as gpu=1")
    run.add_argument("--profile", metavar="FOLDER", help="Snakemake's, such as one for a cluster")


def _inspect(commands: argparse._SubParsersAction) -> None:
    inspect = _command(
        commands,
        "inspect",
        "print how scans would be read, from their headers: shape, spacing, axes, slice axis",
        "ct/p01.nii.gz mr/q01_t2",
    )
    inspect.description += "\nThe voxels are not read: `dar-uda check` reads them."
    inspect.add_argument(
        "scan",
        nargs="+",
        type=Path,
        metavar="SCAN",
        help="volume file (NIfTI, MetaImage, NRRD, enhanced DICOM), one volume of a 4D file (a.nii.gz/3), DICOM SEG or "
        "RTSTRUCT, folder of one DICOM series or of many, or folder of volume files",
    )


def _phantom(commands: argparse._SubParsersAction) -> None:
    phantom = _command(commands, "phantom", "write one generated abdomen with its label map", "mr 3 scans")
    phantom.add_argument("domain", choices=["ct", "mr"], help="the modality")
    phantom.add_argument("number", type=from_zero, metavar="NUMBER", help="which patient and scanner, from 0")
    phantom.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="where the two files go, such as mr03_image.nii.gz and mr03_label.nii.gz",
    )
    phantom.add_argument("--seed", type=from_zero, metavar="NUMBER", default=0, help="another population (default 0)")


def _cases(commands: argparse._SubParsersAction) -> None:
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
    cases.add_argument(
        "--series",
        nargs="+",
        action="extend",
        type=series,
        default=[],
        metavar="DOMAIN=PATTERN",
        help="of layout dicom: which series are of a domain, by description, such as mr='*t2*'; any letter case",
    )
    cases.add_argument("--append", action="store_true", help="add to the table, as for a second dataset")
    _split(cases, "of the patients, where no split is published")


def _split(command: argparse.ArgumentParser, of: str) -> None:
    command.add_argument(
        "--test-fraction",
        type=fraction,
        default=0.2,
        metavar="FRACTION",
        help=f"{of} (default 0.2)",
    )
    command.add_argument(
        "--seed", type=from_zero, metavar="NUMBER", default=0, help="another draw of these patients (default 0)"
    )


def _check(commands: argparse._SubParsersAction) -> None:
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
        metavar="NUMBER",
        help="cases read at a time (default: one per core that this process may use)",
    )
    check.add_argument(
        "--window",
        action="append",
        default=[],
        type=window,
        metavar="DOMAIN=LOW,HIGH",
        help="the values that a domain's window brings to 0 and 1, such as ct=-350,350: look whether its scans fit",
    )


def _status(commands: argparse._SubParsersAction) -> None:
    status = _command(
        commands, "status", "tell what of a run is done, running and failed, and what it waits for", "results/phantom"
    )
    status.description += "\nIt reads logs and checkpoints, while the run works or after."
    status.add_argument("folder", type=Path, metavar="RUN", help="its folder, such as results/phantom")


def _view(commands: argparse._SubParsersAction) -> None:
    view = _command(
        commands, "view", "show the test cases and synthetic volumes of a run in a browser", "results/phantom"
    )
    view.add_argument("results", type=Path, metavar="RUN", help="results/RUN of a run that has made masks")
    view.add_argument("--port", type=int, default=0, metavar="NUMBER", help="of 127.0.0.1 (default: one that is free)")


def _export(commands: argparse._SubParsersAction) -> None:
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
        "--to",
        choices=["monai", "onnx"],
        help="for another program: a MONAI bundle, or the network as ONNX (default: for `dar-uda predict`)",
    )
    export.add_argument(
        "--license",
        default="not stated",
        metavar="TEXT",
        help="of the weights, as the data they come from allows (default: not stated)",
    )


def _export_nnunet(commands: argparse._SubParsersAction) -> None:
    export = _command(
        commands,
        "export-nnunet",
        "write a run's synthetic, labeled volumes as a dataset of nnU-Net, to train elsewhere",
        "results/phantom/seed-0/nnunet/ct-to-mr.disentangled-multi -o Dataset501_Abdomen",
    )
    export.description += "\nFirst have the run describe them: snakemake DATASET/dataset.json"
    export.add_argument(
        "dataset",
        type=Path,
        metavar="DATASET",
        help="their folder in a run: results/RUN/seed-SEED/nnunet/TRAINING_SET",
    )
    export.add_argument("-o", "--output", required=True, type=Path, metavar="FOLDER", help="the folder to write")


def _predict(commands: argparse._SubParsersAction) -> None:
    predict = _command(
        commands, "predict", "segment scans with a bundle", "mr_abdomen scan.nii.gz dicom_folder -o masks"
    )
    predict.description += (
        " Each in its own geometry: a mask as NIfTI, of a DICOM series as DICOM SEG too,\n"
        "and the volumes of its structures in ml. A warning names a scan that is out of distribution."
    )
    predict.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that `dar-uda export` wrote")
    predict.add_argument(
        "scan",
        nargs="+",
        type=Path,
        metavar="SCAN",
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
        "--continue",
        action="store_true",
        dest="skip_done",
        help="skip scans whose masks are in FOLDER, made of the same scan by the same bundle with the same options",
    )
    predict.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda"],
        default="auto",
        help="where torch computes (default auto: a GPU if there is one)",
    )
    predict.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation (TTA): average the probabilities of all transforms; slower, sometimes better",
    )
    predict.add_argument(
        "--save-probabilities",
        action="store_true",
        help="write those of every class too: FOLDER/probabilities/SCAN.nii.gz",
    )
    predict.add_argument(
        "--slicer",
        action="store_true",
        help="write FOLDER/SCAN.seg.nrrd too, which opens in 3D Slicer with names and colors",
    )
    predict.add_argument(
        "--bids",
        action="store_true",
        help="name masks as BIDS derivatives: FOLDER/sub-X/anat/sub-X_..._dseg.nii.gz, with dataset_description.json",
    )


def _score(commands: argparse._SubParsersAction) -> None:
    score = _command(
        commands,
        "score",
        "score masks of any program by references: Dice, surface distances, volumes",
        "nnunet_masks labelsTs --labels liver=1 spleen=2,3 -o table.tsv",
    )
    score.description += (
        " Files of one name are of one case.\nThe table has a row per case and structure; means over the patients are "
        "printed, with intervals.\nWith --against, so are the differences between two folders of masks, with p-values."
    )
    score.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="folder of masks, such as p1.nii.gz")
    score.add_argument(
        "references", type=Path, metavar="REFERENCES", help="folder of label maps on the same grids, such as p1.nii.gz"
    )
    score.add_argument("-o", "--output", required=True, type=Path, metavar="TABLE", help="to write, such as table.tsv")
    many: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    score.add_argument(
        "--labels",
        required=True,
        type=label_values,
        metavar="STRUCTURE=VALUES",
        help="what to score, and its values in the files: liver=1 spleen=2,3 bone=10-14",
        **many,
    )
    score.add_argument(
        "--prediction-labels",
        type=label_values,
        metavar="STRUCTURE=VALUES",
        help="the values in the masks of structures for which they differ from those in the references",
        **many,
    )
    score.add_argument(
        "--tolerance",
        type=tolerance,
        metavar="STRUCTURE=MM",
        help="distance in mm up to which surfaces agree, for the normalized surface Dice (NSD): liver=3",
        **many,
    )
    score.add_argument(
        "--patients",
        type=Path,
        metavar="PATIENTS",
        help="table with the columns case and patient, where patients have several cases (default: each case is one)",
    )
    score.add_argument(
        "--against",
        type=Path,
        metavar="OTHER",
        help="another folder of masks of the same cases, with which PREDICTIONS are compared",
    )
