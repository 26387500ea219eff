from dar_uda.adaptation.cycada_translator import train_cycada_translator
from dar_uda.jobs.provenance import recorded
from dar_uda.training.launch import launch

keys = ("device", "precision", "activation_checkpointing", "tensorboard")
job = {"threads": snakemake.threads, "log": snakemake.log[0], **{key: snakemake.config[key] for key in keys}}
with recorded(snakemake):
    files = {**snakemake.input, **snakemake.output}
    launch(train_cycada_translator, **files, **snakemake.params, **job, keep_checkpoints=True)
