from dar_uda.jobs.provenance import recorded
from dar_uda.segmentation.train import train_segmenter
from dar_uda.training.launch import launch

keys = ("device", "precision", "activation_checkpointing", "tensorboard", "gpus_per_training")
job = {"threads": snakemake.threads, "log": snakemake.log[0], **{key: snakemake.config[key] for key in keys}}
with recorded(snakemake):
    launch(train_segmenter, **snakemake.input, **snakemake.output, **snakemake.params, **job, keep_checkpoints=True)
