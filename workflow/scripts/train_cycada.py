from dar_uda.adaptation.cycada import train_cycada
from dar_uda.jobs.provenance import recorded
from dar_uda.training.launch import launch

keys = ("device", "precision", "activation_checkpointing", "tensorboard")
job = {"threads": snakemake.threads, "log": snakemake.log[0], **{key: snakemake.config[key] for key in keys}}
with recorded(snakemake):
    launch(train_cycada, **snakemake.input, **snakemake.output, **snakemake.params, **job, keep_checkpoints=True)
