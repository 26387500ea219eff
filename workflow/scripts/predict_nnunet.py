import sys

from dar_uda.jobs.provenance import recorded
from dar_uda.nnunet.predict import predict_nnunet

job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
job["python"] = snakemake.config["nnunet_python"] or sys.executable
params = snakemake.params
with recorded(snakemake):
    predict_nnunet(params.cases, structures=params.structures, **snakemake.input, **snakemake.output, **job, **params.inference)
