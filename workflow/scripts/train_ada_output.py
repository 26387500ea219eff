from dar_uda.adaptation.ada_output import train_ada_output
from dar_uda.jobs.provenance import recorded
from dar_uda.training.launch import launch

keys = ("device", "precision", "activation_checkpointing", "tensorboard")
job = {"threads": snakemake.threads, "log": snakemake.log[0], **{key: snakemake.config[key] for key in keys}}
with recorded(snakemake):
    launch(train_ada_output, **snakemake.input, **snakemake.output, **snakemake.params, **job, keep_checkpoints=True)
