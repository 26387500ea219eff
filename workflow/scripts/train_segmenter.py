from dar_uda.segmentation.train import train_segmenter
from dar_uda.training.job import Job
from dar_uda.training.job_record import recorded

choices = {**snakemake.params}
computing = {key: snakemake.config[key] for key in ("device", "precision", "recompute")}
with recorded(snakemake):
    job = Job.prepare(choices.pop("seed"), choices.pop("code"), snakemake.threads, **computing)
    train_segmenter(**snakemake.input, **snakemake.output, **choices, job=job)
