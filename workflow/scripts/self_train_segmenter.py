from dar_uda.adaptation.self_training import train_on_pseudo_labels
from dar_uda.jobs.provenance import recorded
from dar_uda.training.launch import launch

keys = ("device", "precision", "activation_checkpointing", "tensorboard", "gpus_per_training")
job = {"threads": snakemake.threads, "log": snakemake.log[0], **{key: snakemake.config[key] for key in keys}}
with recorded(snakemake):
    launch(train_on_pseudo_labels, **snakemake.input, **snakemake.output, **snakemake.params, **job, keep_checkpoints=True)
