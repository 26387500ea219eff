import sys

from dar_uda.jobs.provenance import recorded
from dar_uda.nnunet.train import train_nnunet

job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
python = snakemake.config["nnunet_python"] or sys.executable
with recorded(snakemake) as packages:
    packages |= train_nnunet(**snakemake.input, **snakemake.output, **snakemake.params, **job, python=python)
