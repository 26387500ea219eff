from dar_uda.jobs.provenance import recorded
from dar_uda.translation.synthesis import synthesize_volume

files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
with recorded(snakemake):
    synthesize_volume(**files, **job, case=snakemake.wildcards.case)
