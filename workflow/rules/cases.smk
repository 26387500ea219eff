"""The cases of the run, and their files as inputs."""

from dar_uda.data.companions import companions
from dar_uda.data.phantom_files import is_phantom
from dar_uda.data.versions import Versions
from dar_uda.plan.cases import cases_to_check, read_cases

try:
    CASES = read_cases(
        CONFIG,
        project=HERE,
        has_files=not workflow.remote_exec,
        may_generate=workflow.is_main_process,
    )
except PlanError as error:
    raise WorkflowError(str(error)) from None

cases_of = CASES.of
VERSIONS = Versions(f"results/{RUN}/versions.tsv")


def file_of(case, what):
    """Return the image or label file of a case as an input.

    Where results lie in a storage that has no disk in common with this machine, the user's files stay here, and with
    them the jobs that read them. Their dates say nothing to Snakemake: see `version_of`.
    """
    path = getattr(case, what)
    return path if case.is_generated or not path else ancient(local(path))


def original(case, domain, what):
    """Return the user's image or label file of a case, by its name, as an input."""
    try:
        return file_of(CASES.named(domain, case), what)
    except PlanError as error:
        raise WorkflowError(str(error)) from None


def original_image(wildcards):
    return original(wildcards.case, wildcards.domain, "image")


def original_label(wildcards):
    return original(wildcards.case, wildcards.domain, "label")


def voxels_of(*paths):
    """Return the files beside the user's header files (.hdr, .mhd, .nhdr) that hold their voxels."""
    files = [str(file) for path in paths if path for file in companions(path)]
    return [ancient(local(file)) for file in files]


def version_of(images=(), labels=()):
    """Return the version of the user's files that a job reads, a param: another version runs the job again.

    Generated files do not count, they are outputs with dates of their own; nor does what a job's own process says.
    """
    if not workflow.is_main_process:
        return ""
    users = [
        [p for p in paths if p and not is_phantom(p)] for paths in (images, labels)
    ]
    return VERSIONS.of(*users)
