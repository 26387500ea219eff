"""Stage `machine`: the machine, its versions, and what it reaches at best: matrix products and copies in memory."""

import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.stage import Tasks
from benchmarks.measure import interleaved

PACKAGES = ("numpy", "triton", "nibabel", "pandas", "scipy", "adabelief-pytorch")
MATRIX, TINY_MATRIX = 8192, 256
COPIED_BYTES, TINY_COPIED_BYTES = 2**31, 2**22


def run(tasks: Tasks) -> None:
    tasks.do("versions", lambda: versions(tasks.device))
    tasks.do("ceilings", lambda: ceilings(tasks.device, tasks.tiny))


def versions(device: torch.device) -> dict[str, Any]:
    """Return versions, the compiler that Triton needs, and the card's data."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    found: dict[str, Any] = {
        **{"python": platform.python_version(), "executable": Path(sys.executable).name, "torch": torch.__version__},
        **{"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "driver": driver()},
        **{"compiler": next(filter(shutil.which, ("gcc", "cc")), None), "python_header": header.exists()},
        "packages": {name: _version(name) for name in PACKAGES},
    }
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {"memory_mib": card.total_memory // 2**20, "processors": card.multi_processor_count}
        found |= {"capability": f"{card.major}.{card.minor}", "bfloat16": torch.cuda.is_bf16_supported()}
    return found


def driver() -> str | None:
    """Return the version of NVIDIA's driver; None where nvidia-smi does not name it."""
    if not (command := shutil.which("nvidia-smi")):
        return None
    query = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, timeout=10)
    return found.stdout.splitlines()[0].strip() if found.returncode == 0 and found.stdout else None


def ceilings(device: torch.device, tiny: bool) -> dict[str, float]:
    """Return TFLOP/s of a matrix product in bfloat16 and with TF32, and TB/s of a copy, read and written."""
    torch.backends.cuda.matmul.allow_tf32 = True
    side, count = (TINY_MATRIX, TINY_COPIED_BYTES) if tiny else (MATRIX, COPIED_BYTES)
    found = {}
    for name, dtype in {"bfloat16": torch.bfloat16, "tf32": torch.float32}.items():
        matrix = torch.randn(side, side, device=device).to(dtype)
        seconds = _median(lambda m=matrix: m @ m, device)
        found[f"{name}_tflops"] = 2 * side**3 / seconds / 1e12
    source = torch.empty(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found["copy_tbps"] = 2 * count / _median(lambda: target.copy_(source), device) / 1e12
    return found


def _median(form: Any, device: torch.device) -> float:
    return statistics.median(interleaved({"it": form}, 10, device, unrecorded=3)["it"])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
