"""From slices of both domains to synthetic volumes of the target (2D)."""


rule train_translator:
    """Learn to translate slices between the two domains, content apart from style."""
    input:
        slices=[PLAN.paths.slices(domain) for domain in TASK.domains],
    output:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        history="results/{run}/seed-{seed}/translators/disentangled/history.tsv",
        previews=report(
            "results/{run}/seed-{seed}/translators/disentangled/previews.png",
            caption="../report/previews.rst",
            category="Translation",
        ),
    log:
        "results/{run}/logs/train_translator/disentangled-{seed}.log",
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus_of_training,
        mem_mb=16000,
        runtime="24h",
    params:
        translation=CONFIG.branch("translation"),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.translation.train"),
    script:
        "../scripts/train_translator.py"


rule encode_styles:
    """Encode the target's styles and choose those of every source case."""
    input:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        slices=lambda wildcards: PLAN.paths.slices(TASK.target(wildcards.direction).name),
        table=lambda wildcards: PLAN.paths.slices(TASK.target(wildcards.direction).name, "tsv"),
    output:
        codes="results/{run}/seed-{seed}/styles/{direction}/{translation}/codes.tsv",
        styles="results/{run}/seed-{seed}/styles/{direction}/{translation}/styles.tsv",
    log:
        "results/{run}/logs/encode_styles/{direction}-{translation}-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/encode_styles/{direction}-{translation}-{seed}.tsv"
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=8000,
        runtime="1h",
    params:
        strategy=lambda wildcards: "average" if wildcards.translation == "disentangled-average" else "multi",
        clusters=lambda wildcards: PLAN.volumes.style_count(wildcards.translation),
        domain=lambda wildcards: TASK.target(wildcards.direction).letter,
        source_cases=lambda wildcards: PLAN.volumes.source_cases(wildcards.direction),
        seed=lambda wildcards: int(wildcards.seed),
        code=code_version("dar_uda.translation.styles"),
    script:
        "../scripts/encode_styles.py"


rule synthesize_volume:
    """Redraw a source volume in the target's styles: all styles of one case."""
    input:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        styles="results/{run}/seed-{seed}/styles/{direction}/disentangled-multi/styles.tsv",
        image=lambda wildcards: PLAN.volumes.source_image(wildcards.direction, wildcards.case),
        label=lambda wildcards: PLAN.volumes.label_beside(wildcards.direction, wildcards.case),
    output:
        volumes=expand(
            "results/{{run}}/seed-{{seed}}/synthetic/{{direction}}/disentangled-multi/{{case}}/style-{style}.nii",
            style=range(PLAN.volumes.style_count("disentangled-multi")),
        ),
    log:
        "results/{run}/logs/synthesize_volume/{direction}-disentangled-multi-{seed}/{case}.log",
    benchmark:
        "results/{run}/benchmarks/synthesize_volume/{direction}-disentangled-multi-{seed}/{case}.tsv"
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: half_the_cores
    resources:
        gpu=gpus,
        mem_mb=8000,
        runtime="1h",
    params:
        code=code_version("dar_uda.translation.synthesis"),
    script:
        "../scripts/synthesize_volume.py"


use rule synthesize_volume as synthesize_average_volume with:
    input:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        styles="results/{run}/seed-{seed}/styles/{direction}/disentangled-average/styles.tsv",
        image=lambda wildcards: PLAN.volumes.source_image(wildcards.direction, wildcards.case),
        label=lambda wildcards: PLAN.volumes.label_beside(wildcards.direction, wildcards.case),
    output:
        volumes=["results/{run}/seed-{seed}/synthetic/{direction}/disentangled-average/{case}/style-0.nii"],
    log:
        "results/{run}/logs/synthesize_volume/{direction}-disentangled-average-{seed}/{case}.log",
    benchmark:
        "results/{run}/benchmarks/synthesize_volume/{direction}-disentangled-average-{seed}/{case}.tsv"


use rule synthesize_volume as synthesize_uncorrected_volume with:
    input:
        weights="results/{run}/seed-{seed}/translators/disentangled/weights.safetensors",
        styles="results/{run}/seed-{seed}/styles/{direction}/disentangled-uncorrected/styles.tsv",
        image=lambda wildcards: PLAN.volumes.source_image(wildcards.direction, wildcards.case),
    output:
        volumes=expand(
            "results/{{run}}/seed-{{seed}}/synthetic/{{direction}}/disentangled-uncorrected/{{case}}/style-{style}.nii",
            style=range(PLAN.volumes.style_count("disentangled-uncorrected")),
        ),
    log:
        "results/{run}/logs/synthesize_volume/{direction}-disentangled-uncorrected-{seed}/{case}.log",
    benchmark:
        "results/{run}/benchmarks/synthesize_volume/{direction}-disentangled-uncorrected-{seed}/{case}.tsv"
