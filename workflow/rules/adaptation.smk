"""The other ways to adapt: self-training, CycleGAN, SynSeg-Net, AdaOutput, CyCADA, SIFA."""

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
            wildcards.network, "domain_randomization", "self_training", "steps"
        ),
        network=lambda wildcards: PLAN.networks.switches(wildcards.network),
        ada_output=CONFIG.branch("ada_output"),
        classes=len(TASK.structures) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.ada_output"),
    script:
        "../scripts/train_ada_output.py"


rule train_cycada_translator:
    """Learn to translate slices between the two domains so that a segmenter of the source still sees the same."""
    input:
        images=rules.train_synseg_net.input.images,
        labels=rules.train_synseg_net.input.labels,
        target_images=rules.train_ada_output.input.target_images,
        source_segmenter=lambda wildcards: PLAN.source_segmenter(wildcards.direction, wildcards.seed),
    output:
        weights="results/{run}/seed-{seed}/translators/cycada-{direction}/weights.safetensors",
        history="results/{run}/seed-{seed}/translators/cycada-{direction}/history.tsv",
        previews="results/{run}/seed-{seed}/translators/cycada-{direction}/previews.png",
    log:
        "results/{run}/logs/train_cycada_translator/{direction}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_cycada_translator/{direction}-{seed}.tsv"
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=16000,
        runtime="24h",
    params:
        generator=lambda wildcards: TASK.generator(wildcards.direction),
        segmentation=CONFIG.part("segmentation", "patch_size", "scale", "augmentation"),
        cyclegan=CONFIG.part(
            "cyclegan", "width", "blocks", "batch_size", "learning_rate", "cycle_weight", "checkpoint_every"
        ),
        cycada=CONFIG.part("cycada", "translator_steps", "semantic_weight"),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.cycada_translator"),
    script:
        "../scripts/train_cycada_translator.py"


use rule translate_volume as translate_volume_by_cycada with:
    # As translate_volume, by the translator of CyCADA.
    input:
        weights="results/{run}/seed-{seed}/translators/cycada-{direction}/weights.safetensors",
        image=rules.translate_volume.input.image,
        label=rules.translate_volume.input.label,
    output:
        volume="results/{run}/seed-{seed}/synthetic/{direction}/cycada-single/{case}/style-0.nii",
    log:
        "results/{run}/logs/translate_volume_by_cycada/{direction}-cycada-single-{seed}/{case}.log",
    benchmark:
        "results/{run}/benchmarks/translate_volume_by_cycada/{direction}-cycada-single-{seed}/{case}.tsv"


rule train_cycada:
    """Go on from a 2D segmenter of CyCADA's translations until its scores of both domains look alike."""
    input:
        images=lambda wildcards: PLAN.volumes.images(f"{wildcards.direction}.cycada-single", wildcards.seed),
        labels=lambda wildcards: PLAN.volumes.labels(f"{wildcards.direction}.cycada-single"),
        target_images=rules.train_ada_output.input.target_images,
        initial="results/{run}/seed-{seed}/segmenters/{direction}.cycada-single/{network}/weights.safetensors",
    output:
        weights="results/{run}/seed-{seed}/segmenters/{direction}.cycada/{network}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{direction}.cycada/{network}/history.tsv",
    log:
        "results/{run}/logs/train_cycada/{direction}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_cycada/{direction}-{network}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=24000,
        runtime="24h",
    params:
        segmentation=CONFIG.part(
            "segmentation", "patch_size", "scale", "augmentation", "focal_weight", "checkpoint_every"
        ),
        cycada=CONFIG.part("cycada", "steps", "batch_size", "learning_rate", "adversarial_weight"),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.cycada"),
    script:
        "../scripts/train_cycada.py"


rule train_sifa:
    """Train translations, a 2D segmenter that shares one's encoder, and their discriminators in one."""
    input:
        images=rules.train_synseg_net.input.images,
        labels=rules.train_synseg_net.input.labels,
        target_images=rules.train_ada_output.input.target_images,
    output:
        weights="results/{run}/seed-{seed}/segmenters/{direction}.sifa/{network}/weights.safetensors",
        history="results/{run}/seed-{seed}/segmenters/{direction}.sifa/{network}/history.tsv",
        previews="results/{run}/seed-{seed}/segmenters/{direction}.sifa/{network}/previews.png",
    log:
        "results/{run}/logs/train_sifa/{direction}-{network}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/train_sifa/{direction}-{network}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=24000,
        runtime="24h",
    params:
        segmentation=CONFIG.part("segmentation", "patch_size", "scale", "augmentation", "channels", "ema_decay"),
        network=lambda wildcards: PLAN.networks.switches(wildcards.network),
        sifa=CONFIG.branch("sifa"),
        classes=len(TASK.structures) + 1,
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.adaptation.sifa"),
    script:
        "../scripts/train_sifa.py"
