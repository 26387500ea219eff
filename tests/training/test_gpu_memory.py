import weakref

import pytest
import torch

from dar_uda.training.gpu_memory import within_memory

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
SAID = "CUDA out of memory. Tried to allocate 2.00 GiB"


class Work:
    """Fails the first times for want of memory; a try must find nothing left of the one before."""

    def __init__(self, failures, error=torch.OutOfMemoryError, text=SAID):
        self.failures, self.error, self.text = failures, error, text
        self.tries, self.left = [], []

    def __call__(self, device, batch):
        assert not any(features() is not None for features in self.left), "the failed try still holds its tensors"
        features = torch.zeros(8)
        self.left.append(weakref.ref(features))
        self.tries.append((device, batch))
        if len(self.tries) <= self.failures:
            raise self.error(f"{self.text}\nmore lines")
        return "mask"


@pytest.mark.parametrize(
    ("failures", "batch_size", "tries", "said"),
    [
        (0, 4, [(GPU, 4)], []),
        (1, 4, [(GPU, 4), (GPU, 1)], ["with one window at a time"]),
        (2, 4, [(GPU, 4), (GPU, 1), (CPU, 4)], ["with one window at a time", "on the CPU"]),
        (1, 1, [(GPU, 1), (CPU, 1)], ["on the CPU"]),
    ],
)
def test_what_a_gpu_does_not_hold_goes_on_in_smaller_parts_and_then_on_the_cpu(
    caplog, failures, batch_size, tries, said
):
    work = Work(failures)
    assert within_memory(work, "scan.nii.gz", GPU, batch_size) == "mask" and work.tries == tries
    expected = [f"DAR-217: scan.nii.gz: the GPU's memory is too small ({SAID}): going on {way}" for way in said]
    assert caplog.messages == expected


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "FIND was unable to find an engine to execute this computation",
    ],
)
def test_errors_of_cuda_and_its_libraries_count_too(text):
    work = Work(1, RuntimeError, text)
    assert within_memory(work, "scan", GPU, 4) == "mask" and work.tries == [(GPU, 4), (GPU, 1)]


@pytest.mark.parametrize(
    ("device", "error", "text", "tries"),
    [
        (GPU, RuntimeError, "CUDA error: an illegal memory access was encountered", 1),
        (GPU, torch.OutOfMemoryError, SAID, 3),
        (CPU, RuntimeError, "DefaultCPUAllocator: can't allocate memory", 1),
    ],
)
def test_other_errors_and_a_cpu_without_memory_end_it(device, error, text, tries):
    work = Work(9, error, text)
    with pytest.raises(error, match=text.split(".")[0]):
        within_memory(work, "scan", device, 4)
    assert len(work.tries) == tries
