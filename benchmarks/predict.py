"""`dar-uda predict` on a 512 x 512 x 90 scan, grid and network of two budgets: seconds and peak memory of a process.

The `literal` form of a mask is nnU-Net's predictor at the same spacing, with the network that nnU-Net plans for it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml

from benchmarks.measure import Row
from benchmarks.preprocessing import CT, write_scan
from dar_uda.bundle.facts import FORMAT
from dar_uda.jobs.cores import usable_cores
from dar_uda.segmentation.networks import make_segmenter

CONFIG = Path(__file__).parents[1] / "config"
NNUNET = Path(__file__).parents[1] / ".venv-nnunet" / "bin" / "python"
SHAPE, BUDGETS = (512, 512, 90), ("laptop", "gpu")
MEASURE = """
import sys, time
from pathlib import Path
from benchmarks.measure import grown_mib
from dar_uda.bundle.predict import predict_scans
from dar_uda.bundle.segmenter import Segmenter

bundle, scan, output, *options = sys.argv[1:]
start = time.perf_counter()
predict_scans(Segmenter.load(bundle, "cpu"), [Path(scan)], output, average=False, probabilities=bool(options))
print(time.perf_counter() - start, grown_mib(0))
"""


def rows() -> Iterator[Row]:
    """Yield seconds and peak memory of a scan with each budget's network, as a mask and with probabilities."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = write_scan(folder / "scan.nii.gz", SHAPE)
        for budget in BUDGETS:
            bundle = write_bundle(folder / budget, budget)
            for what, options in {"": [], ", with probabilities": ["probabilities"]}.items():
                seconds, peak = measure(bundle, scan, folder / "masks", *options)
                their_seconds, their_peak = (None, None) if options else nnunet(bundle, scan)
                text = f"predict 512 x 512 x 90, abdomen, {budget}{what}"
                note = f"from the bundle's weights to the written mask; {usable_cores()} cores, n 1"
                yield Row(text, "s", their_seconds, seconds, None, note)
                yield Row(f"{text}: peak", "MiB", their_peak, peak, None, "of the whole process")


def measure(bundle: Path, scan: Path, output: Path, *options: str) -> tuple[float, float]:
    """Return seconds and peak memory in MiB of a process that segments one scan."""
    command = [sys.executable, "-c", MEASURE, *map(str, (bundle, scan, output)), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = map(float, run.stdout.split())
    return seconds, peak


def nnunet(bundle: Path, scan: Path) -> tuple[float | None, float | None]:
    """Return seconds and peak memory in MiB of nnU-Net's predictor at a bundle's spacing; None: not installed."""
    if not NNUNET.exists():
        return None, None
    facts = json.loads((bundle / "bundle.json").read_text())
    spacing = map(str, facts["preprocessing"]["grid"]["spacing"])
    script = Path(__file__).with_name("nnunet_predictor.py")
    run = subprocess.run([NNUNET, script, scan, *spacing], stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = map(float, run.stdout.split()[-2:])
    return seconds, peak


def write_bundle(folder: Path, budget: str) -> Path:
    """Write a bundle of the abdomen's CT with this budget's grid and network, its weights as they begin."""
    method = yaml.safe_load((CONFIG / "config.yaml").read_text())
    changes = yaml.safe_load((CONFIG / "budgets" / f"{budget}.yaml").read_text())["budgets"][budget]
    task = yaml.safe_load((CONFIG / "tasks" / "abdomen.yaml").read_text())["tasks"]["abdomen"]
    segmentation = method["segmentation"] | changes["segmentation"]
    inference = method["inference"] | changes["inference"]
    folder.mkdir()
    torch.manual_seed(0)
    classes, switches = len(task["labels"]) + 1, method["networks"]["dar_unet"]
    make_segmenter(classes, segmentation["channels"], **switches).save(folder / "weights.safetensors")
    facts = {
        **{"format": FORMAT, "method": "dar_uda", "direction": "mr-to-ct", "domain": "ct"},
        "structures": list(task["labels"]),
        "preprocessing": {
            **{"grid": task["grids"][budget], "intensity": CT, "slice_axis": None, "double_depth": False},
        },
        "inference": inference,
        "patch_size": segmentation["patch_size"],
        "single_component": list(range(1, classes)),
        "slice_normal": [0.0, 0.0, 1.0],
        "out_of_distribution": None,
    }
    (folder / "bundle.json").write_text(json.dumps(facts))
    return folder
