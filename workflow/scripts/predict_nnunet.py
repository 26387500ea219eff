import sys

from dar_uda.jobs.provenance import recorded
from dar_uda.nnunet.predict import predict_nnunet

config, params = snakemake.config, snakemake.params
job = {"threads": snakemake.threads, "device": config["device"], "python": config["nnunet_python"] or sys.executable}
files = {**snakemake.input, **snakemake.output}
with recorded(snakemake) as packages:
    packages |= predict_nnunet(params.cases, structures=params.structures, **files, **job, **params.inference)
