"""What every stage asks: resources, cases and their files."""

import re
import shutil

from dar_uda.code_version import code_version

CORES_ELSEWHERE = 8
RANDOMISED, CANDIDATES, SELF_TRAINED = "-randomised", "-candidates", "-selftrained"
TRAINED = rf"[A-Za-z][A-Za-z0-9_]*({RANDOMISED})?"
CHOICES = ("validation", "oracle")


def elsewhere():
    """Return whether another machine runs the jobs, or this process is such a job."""
    return workflow.remote_exec or workflow.non_local_exec


def has_gpu():
    return shutil.which("nvidia-smi") is not None


def check_device():
    """Stop where nobody said on what the jobs of another machine shall compute."""
    if config["device"] == "auto" and workflow.non_local_exec and not has_gpu():
        raise WorkflowError(
            "device is auto, but this machine, which has no GPU, only submits the jobs: say --config device=cuda, or device=cpu."
        )


def gpus(wildcards):
    """Return how many GPUs a torch job asks for; on a CPU none, so that several run side by side."""
    check_device()
    return int(config["device"] == "cuda" or (config["device"] == "auto" and has_gpu()))


def gpus_of_training(wildcards):
    """Return how many GPUs a training of the translator or of DAR-UNet asks for."""
    return gpus(wildcards) * config["gpus_per_training"]


def all_cores(wildcards):
    """Return the cores that Snakemake may use: of this machine, or for a job that another one runs."""
    if elsewhere():
        return CORES_ELSEWHERE
    try:
        return workflow.cores
    except WorkflowError:  # a dry run for a cluster
        return CORES_ELSEWHERE


def half_the_cores(wildcards):
    """Return a training's threads: two trainings that do not wait for each other share the machine."""
    return max(1, all_cores(wildcards) // 2)


def way_of(direction):
    """Return a direction as CycleGAN names it: a-to-b from the first domain in the alphabet to the other."""
    ends = (source_of(direction), target_of(direction))
    return "-to-".join(TASK.domains[domain].letter for domain in ends)


def label_to_crop_to(wildcards):
    """Return the label file of a case whose slices the paper's protocol crops to the labelled ones."""
    if not TASK.domains[wildcards.domain].crops_to_labels:
        return []
    label = original_label(wildcards)
    if not label:
        raise WorkflowError(
            f"Case {wildcards.case} of domain {wildcards.domain} has no label, to which protocol `paper` crops its slices; "
            "leave it out, or take protocol `clean`."
        )
    return label


def region_of_interest(wildcards):
    """Return the region to which grids are cut, where the task asks for one."""
    wanted = GRID.get("region_margin") is not None
    return f"results/{RUN}/region.json" if wanted else []


def source_originals(what):
    """Return the user's image or label file of each labelled training case of the run's source."""
    source = source_of(DIRECTIONS[0])
    return [original(case, source, what) for case in source_cases(DIRECTIONS[0])]


def case_files(domain, cases, name):
    """Return one preprocessed file of each case: image.nii, label.nii or grid.json."""
    return [f"results/{RUN}/cases/{domain}/{case}/{name}" for case in cases]


def slices_of(domain, suffix):
    return f"results/{RUN}/slices/{domain}.{suffix}"


def training_images(wildcards):
    return case_files(
        wildcards.domain, cases_of(wildcards.domain, "train"), "image.nii"
    )


def source_cases(direction):
    """Return the labelled training cases of the source; stop where there are none."""
    source = source_of(direction)
    cases = cases_of(source, "train", labelled=True)
    if not cases:
        raise WorkflowError(
            f"Direction {direction}: no training case of domain {source} has a label. Give one a label, or choose another direction."
        )
    return cases


wildcard_constraints:
    run=re.escape(RUN),
    seed=r"\d+",
    domain="|".join(DOMAINS),
    direction="|".join(map(str, TASK.both_directions)),
    case=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
    method=r"[A-Za-z][A-Za-z0-9_]*",
    network=rf"{TRAINED}(-{'|-'.join(CHOICES)})?",
    choice="|".join(CHOICES),
    table="|".join(TABLES),
    of_table="|".join(["", *(f"-{table}" for table in config["tables"])]),
    translation="|".join(TRANSLATIONS),
    training_set=rf"[A-Za-z0-9-]+(\.({'|'.join(TRANSLATIONS)}))?",
