"""Peak memory of one DAR-UNet step at the paper's patch size, in MiB beyond the network and its inputs.

python -m benchmarks.peak_step literal | autocast | activation_checkpointing
"""

import sys

import torch

from benchmarks.measure import grown_mib, resident_mib
from benchmarks.segmenter import LARGE_PATCH, Step

form = sys.argv[1]
dtype = torch.float32 if form == "literal" else torch.bfloat16
step = Step((1, 1, *LARGE_PATCH), form == "literal", dtype, form == "activation_checkpointing")
start = resident_mib()
step()
print(grown_mib(start))
