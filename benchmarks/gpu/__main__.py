"""Check and measure on a GPU: python -m benchmarks.gpu --data KIT --out FOLDER --seconds 300 [--resume results.jsonl].

`make gpu-kit` writes KIT. Rows go to FOLDER/results.jsonl as they come, what the stages print to FOLDER/log.txt.
On a machine without a card, `--device cpu --tiny` shows that every stage runs.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.gpu.runner import STAGES, run
from benchmarks.gpu.stage import Settings
from benchmarks.gpu.wheels import unpack_missing


def main(arguments: list[str]) -> int:
    given = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="dar-uda-site-") as site:
        paths = [str(Path.cwd()), *map(str, unpack_missing(given.data / "wheels", Path(site)))]
        os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        sys.path += paths
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # to look for a card must not start CUDA before a fork
        settings = Settings(
            data=given.data.resolve(),
            results=given.out / "results.jsonl",
            log=given.out / "log.txt",
            scratch=Path(tempfile.gettempdir()),
            device=given.device,
            tiny=given.tiny,
        )
        by_name = {stage.name: stage for stage in STAGES}
        stages = [by_name[name] for name in given.only or by_name]
        return run(settings, given.seconds, stages, given.resume)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder that `make gpu-kit` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.jsonl and log.txt")
    parser.add_argument("--seconds", type=float, required=True, help="of the whole run")
    parser.add_argument("--resume", type=Path, help="results.jsonl of an earlier run: what it has is not done again")
    parser.add_argument(
        "--only", nargs="+", choices=[stage.name for stage in STAGES], help="these stages, in this order"
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes, to see that everything runs")
    given = parser.parse_args(arguments)
    if not (given.data / "phantom.tar.xz").exists():
        parser.error(f"--data {given.data}: found no phantom.tar.xz, expected a folder that `make gpu-kit` wrote")
    return given


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
