import pytest

from dar_uda.data import memory


@pytest.mark.parametrize(
    ("system", "limit", "free"),
    [("MemFree: 1 kB\nMemAvailable:    2048 kB\n", "max", 2**21), ("MemAvailable: 2048 kB\n", "1048576", 2**20),
     ("MemFree: 1 kB\n", None, None), (None, "4096", 4096), (None, None, None)],
)  # fmt: skip
def test_free_memory_is_the_systems_within_the_containers_limit(tmp_path, monkeypatch, system, limit, free):
    for name, text in (("MEMINFO", system), ("GROUP_LIMIT", limit)):
        monkeypatch.setattr(memory, name, tmp_path / name)
        if text is not None:
            (tmp_path / name).write_text(text)
    assert memory.free_memory() == free
    if free:
        memory.need_memory(free, "a.nii: its voxels")
        with pytest.raises(ValueError, match="a.nii: its voxels take .* GiB of memory, .* are free"):
            memory.need_memory(free + 1, "a.nii: its voxels")


def test_this_machine_has_some_or_does_not_say():
    assert memory.free_memory() is None or memory.free_memory() > 2**24
