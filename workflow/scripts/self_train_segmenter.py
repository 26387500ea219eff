from dar_uda.adaptation.self_training import train_on_pseudo_labels
from dar_uda.training.job import Job
from dar_uda.training.job_record import recorded

choices = {**snakemake.params}
computing = {key: snakemake.config[key] for key in ("device", "precision", "recompute")}
with recorded(snakemake):
    job = Job.prepare(choices.pop("seed"), choices.pop("code"), snakemake.threads, **computing)
    train_on_pseudo_labels(**snakemake.input, **snakemake.output, **choices, job=job)
