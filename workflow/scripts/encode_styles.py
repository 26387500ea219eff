from dar_uda.jobs.provenance import recorded
from dar_uda.translation.styles import encode_styles

files = {**snakemake.input, **snakemake.output}
job = {"threads": snakemake.threads, "device": snakemake.config["device"]}
options = {key: value for key, value in snakemake.params.items() if key != "code"}
with recorded(snakemake):
    encode_styles(**files, **job, **options)
