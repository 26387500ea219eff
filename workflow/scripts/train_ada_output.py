from dar_uda.adaptation.ada_output import train_ada_output
from dar_uda.training.job import Job
from dar_uda.training.job_record import recorded

choices = {**snakemake.params}
computing = {key: snakemake.config[key] for key in ("device", "precision", "recompute")}
with recorded(snakemake):
    job = Job.prepare(choices.pop("seed"), choices.pop("code"), snakemake.threads, **computing)
    train_ada_output(**snakemake.input, **snakemake.output, **choices, job=job)
