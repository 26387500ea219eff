"""The other ways to adapt: self-training, CycleGAN, SynSeg-Net, AdaOutput."""

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
        window=lambda wildcards: patch_of(wildcards.network),
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
        gpu=gpus_of_training,
        mem_mb=24000,
        runtime="24h",
    params:
        segmentation=lambda wildcards: segmentation_values(
            wildcards.network,
            "randomisation",
            "self_training",
            "channels",
            "steps",
            "learning_rate",
        ),
        self_training=method_values("segmentation")["self_training"],
        randomisation=method_values("segmentation")["randomisation"],
        cases=target_cases,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.self_training"),
    script:
        "../scripts/self_train_segmenter.py"


rule train_cyclegan:
    """Learn to translate slices between the two domains, content and style as one."""
    input:
        slices=[slices_of(domain, "npy") for domain in DOMAINS],
    output:
        weights="results/{run}/seed-{seed}/translators/cyclegan/weights.safetensors",
        history="results/{run}/seed-{seed}/translators/cyclegan/history.tsv",
        samples=report(
            "results/{run}/seed-{seed}/translators/cyclegan/samples.png",
            caption="../report/cyclegan.rst",
            category="Translation",
        ),
    log:
        "results/{run}/logs/train_cyclegan/cyclegan-{seed}.log",
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="24h",
    params:
        cyclegan=method_values("cyclegan"),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.train_cyclegan"),
    script:
        "../scripts/train_cyclegan.py"


rule translate_volume:
    """Redraw a source volume as CycleGAN translates it."""
    input:
        weights="results/{run}/seed-{seed}/translators/cyclegan/weights.safetensors",
        image=lambda wildcards: case_files(
            source_of(wildcards.direction), [wildcards.case], "image.nii"
        )[0],
        label=harmonising_label,
    output:
        volume="results/{run}/seed-{seed}/synthetic/{direction}/cyclegan-single/{case}/style-0.nii",
    log:
        "results/{run}/logs/translate_volume/{direction}-cyclegan-single-{seed}/{case}.log",
    benchmark:
        "results/{run}/benchmarks/translate_volume/{direction}-cyclegan-single-{seed}/{case}.tsv"
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=8000,
        runtime="1h",
    params:
        way=lambda wildcards: way_of(wildcards.direction),
        code=code_version("dar_uda.adaptation.synthesis"),
    script:
        "../scripts/translate_volume.py"


rule train_synseg_net:
    """Train CycleGAN and a 2D segmenter of its translations end to end."""
    input:
        slices=[slices_of(domain, "npy") for domain in DOMAINS],
        images=lambda wildcards: case_files(
            source_of(wildcards.direction),
            source_cases(wildcards.direction),
            "image.nii",
        ),
        labels=lambda wildcards: case_files(
            source_of(wildcards.direction),
            source_cases(wildcards.direction),
            "label.nii",
        ),
    output:
        weights="results/{run}/seed-{seed}/segmenters/{direction}.synseg_net/{network}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{direction}.synseg_net/{network}/history.tsv",
        samples="results/{run}/seed-{seed}/segmenters/{direction}.synseg_net/{network}/samples.png",
    log:
        "results/{run}/logs/train_synseg_net/{direction}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_synseg_net/{direction}-{network}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=24000,
        runtime="24h",
    params:
        way=lambda wildcards: way_of(wildcards.direction),
        segmentation=lambda wildcards: segmentation_values(
            wildcards.network,
            "randomisation",
            "self_training",
            "batch",
            "focal_weight",
        ),
        network=lambda wildcards: switches_of(wildcards.network),
        cyclegan=method_values("cyclegan"),
        joint_slices=method_values("synseg_net")["joint_slices"],
        classes=len(STRUCTURES) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.synseg_net"),
    script:
        "../scripts/train_synseg_net.py"


rule train_ada_output:
    """Train a 2D segmenter whose outputs on the target pass for outputs on the source."""
    input:
        images=rules.train_synseg_net.input.images,
        labels=rules.train_synseg_net.input.labels,
        target_images=lambda wildcards: case_files(
            target_of(wildcards.direction),
            cases_of(target_of(wildcards.direction), "train"),
            "image.nii",
        ),
    output:
        weights="results/{run}/seed-{seed}/segmenters/{direction}.ada_output/{network}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{direction}.ada_output/{network}/history.tsv",
    log:
        "results/{run}/logs/train_ada_output/{direction}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_ada_output/{direction}-{network}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=24000,
        runtime="24h",
    params:
        segmentation=lambda wildcards: segmentation_values(
            wildcards.network, "randomisation", "self_training"
        ),
        network=lambda wildcards: switches_of(wildcards.network),
        adversary=method_values("ada_output"),
        classes=len(STRUCTURES) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.ada_output"),
    script:
        "../scripts/train_ada_output.py"
