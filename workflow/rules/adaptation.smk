"""The other ways to adapt: self-training, CycleGAN, SynSeg-Net, AdaOutput."""

from dar_uda.plan.methods import direction_of


rule label_target:
    """Segment the target's training cases for a self-training iteration, with the segmenter of the training before."""
    input:
        images=lambda wildcards: PLAN.volumes.of_target(direction_of(wildcards.training_set), "image.nii"),
        weights=lambda wildcards: PLAN.weights_before(
            wildcards.iteration, wildcards.training_set, wildcards.network, wildcards.seed
        ),
        source_structures=lambda wildcards: PLAN.volumes.structures_of_source(direction_of(wildcards.training_set)),
    output:
        labels=directory(
            "results/{run}/seed-{seed}/pseudo_labels/{training_set}/{network}-self_training_{iteration}/labels"
        ),
        table="results/{run}/seed-{seed}/pseudo_labels/{training_set}/{network}-self_training_{iteration}/plausibility.tsv",
    log:
        "results/{run}/logs/label_target/{training_set}-{network}-self_training_{iteration}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/label_target/{training_set}-{network}-self_training_{iteration}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="4h",
    params:
        cases=lambda wildcards: PLAN.volumes.target_cases(direction_of(wildcards.training_set)),
        structures=list(TASK.structures),
        inference=PLAN.networks.predictor(),
        window=lambda wildcards: PLAN.networks.patch_size(wildcards.network),
        code=code_version("dar_uda.adaptation.pseudo_labels"),
    script:
        "../scripts/label_target.py"


rule self_train_segmenter:
    """Go on from the training before, on the training set and on those masks: a self-training iteration."""
    input:
        initial=rules.label_target.input.weights,
        images=lambda wildcards: PLAN.volumes.images(wildcards.training_set, wildcards.seed),
        labels=lambda wildcards: PLAN.volumes.labels(wildcards.training_set),
        target_images=lambda wildcards: PLAN.volumes.of_target(direction_of(wildcards.training_set), "image.nii"),
        pseudo_labels="results/{run}/seed-{seed}/pseudo_labels/{training_set}/{network}-self_training_{iteration}/labels",
        table="results/{run}/seed-{seed}/pseudo_labels/{training_set}/{network}-self_training_{iteration}/plausibility.tsv",
    output:
        weights="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-self_training_{iteration}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{training_set}/{network}-self_training_{iteration}/history.tsv",
    log:
        "results/{run}/logs/self_train_segmenter/{training_set}-{network}-self_training_{iteration}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/self_train_segmenter/{training_set}-{network}-self_training_{iteration}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus_of_training,
        mem_mb=24000,
        runtime="24h",
    params:
        segmentation=lambda wildcards: PLAN.networks.training_values(
            wildcards.network,
            "domain_randomization",
            "self_training",
            "channels",
            "steps",
            "learning_rate",
        ),
        self_training=PLAN.networks.self_training(),
        domain_randomization=CONFIG.branch("segmentation")["domain_randomization"],
        cases=lambda wildcards: PLAN.volumes.target_cases(direction_of(wildcards.training_set)),
        iteration=lambda wildcards: int(wildcards.iteration),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.self_training"),
    script:
        "../scripts/self_train_segmenter.py"


rule train_cyclegan:
    """Learn to translate slices between the two domains, content and style as one."""
    input:
        slices=[PLAN.paths.slices(domain) for domain in TASK.domains],
    output:
        weights="results/{run}/seed-{seed}/translators/cyclegan/weights.safetensors",
        history="results/{run}/seed-{seed}/translators/cyclegan/history.tsv",
        previews=report(
            "results/{run}/seed-{seed}/translators/cyclegan/previews.png",
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
        cyclegan=CONFIG.branch("cyclegan"),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.train_cyclegan"),
    script:
        "../scripts/train_cyclegan.py"


rule translate_volume:
    """Redraw a source volume as CycleGAN translates it."""
    input:
        weights="results/{run}/seed-{seed}/translators/cyclegan/weights.safetensors",
        image=lambda wildcards: PLAN.volumes.source_image(wildcards.direction, wildcards.case),
        label=lambda wildcards: PLAN.volumes.label_beside(wildcards.direction, wildcards.case),
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
        generator=lambda wildcards: TASK.generator(wildcards.direction),
        code=code_version("dar_uda.adaptation.synthesis"),
    script:
        "../scripts/translate_volume.py"


rule train_synseg_net:
    """Train CycleGAN and a 2D segmenter of its translations end to end."""
    input:
        slices=[PLAN.paths.slices(domain) for domain in TASK.domains],
        images=lambda wildcards: PLAN.volumes.of_source(wildcards.direction, "image.nii"),
        labels=lambda wildcards: PLAN.volumes.of_source(wildcards.direction, "label.nii"),
    output:
        weights="results/{run}/seed-{seed}/segmenters/{direction}.synseg_net/{network}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{direction}.synseg_net/{network}/history.tsv",
        previews="results/{run}/seed-{seed}/segmenters/{direction}.synseg_net/{network}/previews.png",
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
        generator=lambda wildcards: TASK.generator(wildcards.direction),
        segmentation=lambda wildcards: PLAN.networks.training_values(
            wildcards.network,
            "domain_randomization",
            "self_training",
            "batch_size",
            "focal_weight",
        ),
        network=lambda wildcards: PLAN.networks.switches(wildcards.network),
        cyclegan=CONFIG.branch("cyclegan"),
        joint_slices=CONFIG.branch("synseg_net")["joint_slices"],
        classes=len(TASK.structures) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.synseg_net"),
    script:
        "../scripts/train_synseg_net.py"


rule train_ada_output:
    """Train a 2D segmenter whose outputs on the target pass for outputs on the source."""
    input:
        images=rules.train_synseg_net.input.images,
        labels=rules.train_synseg_net.input.labels,
        target_images=lambda wildcards: PLAN.volumes.of_target(wildcards.direction, "image.nii"),
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
        segmentation=lambda wildcards: PLAN.networks.training_values(
            wildcards.network, "domain_randomization", "self_training"
        ),
        network=lambda wildcards: PLAN.networks.switches(wildcards.network),
        adversary=CONFIG.branch("ada_output"),
        classes=len(TASK.structures) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.ada_output"),
    script:
        "../scripts/train_ada_output.py"
