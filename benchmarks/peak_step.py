"""Peak memory of one training step at the paper's patch size, in MiB beyond the network and its inputs.

python -m benchmarks.peak_step literal | autocast | activation_checkpointing | NAME, one of `benchmarks.peers.PEERS`
"""

import sys

import torch

from benchmarks.measure import grown_mib, resident_mib
from benchmarks.peers import PEERS, PeerStep, borrow_packages
from benchmarks.segmenter import LARGE_PATCH, Step

form, shape = sys.argv[1], (1, 1, *LARGE_PATCH)
dtype = torch.float32 if form == "literal" else torch.bfloat16
if form in PEERS:
    borrow_packages()
    step = PeerStep(form, shape, dtype)
else:
    step = Step(shape, form == "literal", dtype, form == "activation_checkpointing")
start = resident_mib()
step()
print(grown_mib(start))
