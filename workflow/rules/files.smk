"""The user's files as inputs of rules, and when they count as changed."""

from dar_uda.data.companions import companions
from dar_uda.data.phantom_files import is_phantom
from dar_uda.data.versions import Versions

VERSIONS = Versions(PLAN.paths.versions)


def given(paths):
    """Return files of the cases table as inputs.

    Where results lie in a storage that shares no disk with this machine, the user's files stay here, and with them
    the jobs that read them. Snakemake ignores their dates: see `version_of`.
    """
    return [path if is_phantom(path) else ancient(local(path)) for path in paths]


def voxels(paths):
    """Return the files beside the user's header files (.hdr, .mhd, .nhdr) that hold their voxels."""
    return [ancient(local(str(f))) for path in paths for f in companions(path)]


def version_of(images, labels):
    """Return the version of the user's files as a param; the process of a job does not need it."""
    return VERSIONS.of(images, labels) if workflow.is_main_process else ""
