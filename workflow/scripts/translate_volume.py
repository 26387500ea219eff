from dar_uda.adaptation.synthesis import translate_volume
from dar_uda.jobs.provenance import recorded

files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
with recorded(snakemake):
    translate_volume(**files, **job, case=snakemake.wildcards.case, generator=snakemake.params.generator)
