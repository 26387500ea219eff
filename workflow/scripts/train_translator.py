from dar_uda.jobs.provenance import recorded
from dar_uda.training.launch import launch
from dar_uda.translation.train import train_translator

keys = ("device", "precision", "activation_checkpointing", "tensorboard", "gpus_per_training")
job = {"threads": snakemake.threads, "log": snakemake.log[0], **{key: snakemake.config[key] for key in keys}}
with recorded(snakemake):
    launch(train_translator, **snakemake.input, **snakemake.output, **snakemake.params, **job, keep_checkpoints=True)
