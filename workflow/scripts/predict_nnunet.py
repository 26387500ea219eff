import sys

from dar_uda.jobs.provenance import recorded
from dar_uda.nnunet.predict import predict_nnunet

job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
job["python"] = snakemake.config["nnunet_python"] or sys.executable
params = snakemake.params
files = {**snakemake.input, **snakemake.output}
with recorded(snakemake) as packages:
    packages |= predict_nnunet(params.cases, structures=params.structures, **files, **job, **params.inference)
