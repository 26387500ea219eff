"""nnU-Net's trainer for budgets of any length: the one module of the package that needs nnunetv2."""

import ctypes
import json
import os
import resource
import signal
import statistics
from pathlib import Path

import torch
from nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoMirroring import nnUNetTrainerNoMirroring

MIB = 2**20
PR_SET_PDEATHSIG = 1
# Of Linux: what augments patches in processes of its own ends with the training, even by kill -9.
if hasattr(ctypes.CDLL(None), "prctl"):
    os.register_at_fork(after_in_child=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL))


class DarUdaTrainer(nnUNetTrainerNoMirroring):
    """Trains as nnU-Net does, without mirroring, for as long as the environment says, and saves every epoch.

    nnU-Net reads the names of the arguments: there can be no others. Environment variables say the rest:
    `DAR_UDA_EPOCHS`, `DAR_UDA_ITERATIONS` per epoch, `DAR_UDA_SEED` of the initial weights, `OMP_NUM_THREADS`.
    """

    def __init__(
        self, plans: dict, configuration: str, fold: int | str, dataset_json: dict, device: torch.device
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = int(os.environ["DAR_UDA_EPOCHS"])
        self.num_iterations_per_epoch = int(os.environ["DAR_UDA_ITERATIONS"])
        self.num_val_iterations_per_epoch = 1  # its cases are those of the training, and nothing is chosen by it
        self.save_every = 1

    def initialize(self) -> None:
        """Make the network, from the seed; on a CPU, nnU-Net would take every core of the machine from here on."""
        torch.manual_seed(int(os.environ["DAR_UDA_SEED"]))
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        super().initialize()

    def save_checkpoint(self, filename: str) -> None:
        """Write a checkpoint whole or not at all; the best of all epochs by nnU-Net's own measure is not kept."""
        if Path(filename).name != "checkpoint_best.pth":
            partial = f"{filename}.partial"
            super().save_checkpoint(partial)
            Path(partial).replace(filename)

    def on_epoch_end(self) -> None:
        """Write the losses of all epochs so far: `step loss`, of each epoch its last step and its mean."""
        super().on_epoch_end()
        losses = enumerate(self.logger.get_value("train_losses", step=None), start=1)
        rows = [f"{epoch * self.num_iterations_per_epoch}\t{loss:.6g}\n" for epoch, loss in losses]
        partial = Path(self.output_folder, "history.tsv.partial")
        partial.write_text("".join(["step\tloss\n", *rows]), encoding="utf-8")
        partial.replace(partial.with_suffix(""))

    def perform_actual_validation(self, *_: object) -> None:
        """Write what the training took; nnU-Net would segment the training cases here, which says nothing."""
        starts, ends = (self.logger.get_value(f"epoch_{what}_timestamps", step=None) for what in ("start", "end"))
        seconds = statistics.median(end - start for start, end in zip(starts, ends, strict=True))
        usage = {
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "seconds_per_step": seconds / self.num_iterations_per_epoch,
            "peak_mib": self._peak_bytes() / MIB,
            "device": self.device.type,
        }
        Path(self.output_folder, "usage.json").write_text(json.dumps(usage, indent=1) + "\n", encoding="utf-8")

    def _peak_bytes(self) -> int:
        """Return the highest memory of the GPU, else of this process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
