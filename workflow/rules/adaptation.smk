"""A further round of training on the segmenter's own masks of the target."""

PSEUDO_LABELS = "results/{run}/seed-{seed}/pseudo_labels/{training_set}/{network}"


rule label_target:
    """Segment the target's training cases with the segmenter of the first round."""
    input:
        images=lambda wildcards: target_files(wildcards, "image.nii"),
        weights="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/weights.safetensors",
        source_labels=source_labels,
    output:
        labels=directory(f"{PSEUDO_LABELS}/labels"),
        table=f"{PSEUDO_LABELS}/volumes.tsv",
    log:
        "results/{run}/logs/label_target/{training_set}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/label_target/{training_set}-{network}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="4h",
    params:
        cases=target_cases,
        structures=STRUCTURES,
        inference={
            key: method_values("inference")[key]
            for key in ("overlap", "weighting", "batch")
        },
        window=method_values("segmentation")["patch"],
        code=code_version("dar_uda.adaptation.pseudo_labels"),
    script:
        "../scripts/label_target.py"


rule self_train_segmenter:
    """Go on training on the training set and on those masks."""
    input:
        initial="results/{run}/seed-{seed}/segmenters/{training_set}/{network}/weights.safetensors",
        images=segmenter_images,
        labels=segmenter_labels,
        target_images=lambda wildcards: target_files(wildcards, "image.nii"),
        pseudo_labels=f"{PSEUDO_LABELS}/labels",
        table=f"{PSEUDO_LABELS}/volumes.tsv",
    output:
        weights=f"results/{{run}}/seed-{{seed}}/segmenters/{{training_set}}/{{network}}{SELF_TRAINED}/weights.safetensors",
        history=f"results/{{run}}/seed-{{seed}}/segmenters/{{training_set}}/{{network}}{SELF_TRAINED}/history.tsv",
    log:
        "results/{run}/logs/self_train_segmenter/{training_set}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/self_train_segmenter/{training_set}-{network}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=24000,
        runtime="24h",
    params:
        segmentation={
            key: value
            for key, value in method_values("segmentation").items()
            if key not in ("self_training", "channels", "steps", "learning_rate")
        },
        self_training=method_values("segmentation")["self_training"],
        cases=target_cases,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.self_training"),
    script:
        "../scripts/self_train_segmenter.py"
