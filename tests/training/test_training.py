import errno
import os
import signal
from pathlib import Path

import pytest
import torch
from adabelief_pytorch import AdaBelief
from safetensors.torch import save_file

from dar_uda.training.checkpoint import CheckpointFolder, identity_of
from dar_uda.training.device import choose_precision, prepare_device
from dar_uda.training.job import Job
from dar_uda.training.loop import Terminated, run_training
from dar_uda.training.optimizer import adabelief
from dar_uda.training.randomness import generator_for
from dar_uda.training.weights import load_weights, save_weights

CPU = torch.device("cpu")


def test_draws_depend_on_seed_purpose_and_step_alone():
    first = generator_for(3, "patches", 7).random(4)
    generator_for(3, "patches", 6).random(100)
    assert (generator_for(3, "patches", 7).random(4) == first).all()
    others = [(4, "patches", 7), (3, "slices", 7), (3, "patches", 8)]
    assert all((generator_for(*other).random(4) != first).all() for other in others)


def test_identity_follows_settings_and_contents_but_not_dates(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    start = identity_of({"seed": 0}, [tmp_path / "a"])
    os.utime(tmp_path / "a", (0, 0))
    assert identity_of({"seed": 0}, [tmp_path / "a"]) == start != identity_of({"seed": 1}, [tmp_path / "a"])
    (tmp_path / "a").write_bytes(b"two")
    assert identity_of({"seed": 0}, [tmp_path / "a"]) != start


def test_checkpoint_of_another_identity_is_ignored_and_the_folder_goes_when_done(tmp_path):
    with pytest.raises(KeyboardInterrupt), CheckpointFolder(tmp_path / "work", "x") as checkpoints:
        checkpoints.save({"step": 5})
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), CheckpointFolder(tmp_path / "work", "y") as checkpoints:
        assert checkpoints.load(CPU) is None
        raise KeyboardInterrupt
    with CheckpointFolder(tmp_path / "work", "x") as checkpoints:
        assert checkpoints.load(CPU) == {"step": 5}
    assert not (tmp_path / "work").exists()


class Diverging:
    """Its loss is `loss` in the fourth step, its weight `weight` after it."""

    device = CPU

    def __init__(self, loss=1.0, weight=1.0):
        self.loss, self.weight, self.steps = loss, weight, 0

    def update(self, step):
        self.steps = step + 1
        return {"loss": torch.tensor(self.loss if step == 3 else 1.0), "other": torch.tensor(2.0)}

    def state(self):
        return {"network": {"weight": torch.tensor([0.0, self.weight if self.steps > 3 else 1.0])}}

    def restore(self, state):
        pass

    def close(self):
        pass


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (Diverging(loss=float("nan")), "t: loss is nan at step 4: the training diverges.*learning rate.*dar-uda check"),
        (Diverging(loss=float("-inf")), "t: loss is -inf at step 4"),
        (Diverging(loss=2e6), r"t: loss is 2e\+06 at step 4"),
        (Diverging(weight=float("nan")), "t: network is not finite after step 4"),
    ],
)
def test_a_training_that_diverges_stops_with_its_step_and_keeps_the_last_good_checkpoint(tmp_path, trainer, message):
    with pytest.raises(FloatingPointError, match=message), CheckpointFolder(tmp_path, "x") as c:
        run_training("t", trainer, 10, c, checkpoint_every=2)
    with pytest.raises(KeyboardInterrupt), CheckpointFolder(tmp_path, "x") as c:
        assert c.load(CPU)["step"] == 2
        raise KeyboardInterrupt


def test_weights_that_are_not_finite_after_the_last_step_are_not_taken(tmp_path):
    with pytest.raises(FloatingPointError, match="after step 4"), CheckpointFolder(tmp_path, "x") as c:
        run_training("t", Diverging(weight=float("inf")), 4, c, checkpoint_every=100)


@pytest.mark.parametrize("bytes_left", [0, 1, 200, -1])
def test_a_checkpoint_cut_short_is_ignored_and_the_training_starts_anew(tmp_path, caplog, bytes_left):
    with pytest.raises(KeyboardInterrupt), CheckpointFolder(tmp_path, "x") as c:
        c.save({"step": 5, "trainer": {"weight": torch.ones(100)}})
        raise KeyboardInterrupt
    path = tmp_path / "latest.pt"
    path.write_bytes(path.read_bytes()[:bytes_left])
    with caplog.at_level("WARNING"), CheckpointFolder(tmp_path, "x") as c:
        assert c.load(CPU) is None
    assert "latest.pt is damaged" in caplog.text


def test_a_checkpoint_that_is_cut_anywhere_or_no_checkpoint_is_ignored(tmp_path):
    checkpoints = CheckpointFolder(tmp_path, "x", keep=True)
    checkpoints.save({"step": torch.arange(1000)})
    whole = checkpoints.path.read_bytes()
    for content in (b"", b"hello", b"PK", *(whole[: len(whole) * part // 40] for part in range(40))):
        checkpoints.path.write_bytes(content)
        assert checkpoints.load(torch.device("cpu")) is None


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: busy")])
def test_a_whole_checkpoint_for_which_there_is_no_memory_or_device_is_not_given_up(tmp_path, monkeypatch, error):
    checkpoints = CheckpointFolder(tmp_path, "x", keep=True)
    checkpoints.save({"step": 5})

    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="CUDA"):
        patch.setattr(torch, "load", fail)
        checkpoints.load(torch.device("cpu"))
    assert checkpoints.load(torch.device("cpu")) == {"step": 5}


class Summing(Diverging):
    """Adds up its steps; gets SIGTERM in step `fatal`."""

    def __init__(self, fatal=None):
        self.fatal, self.total = fatal, 0

    def update(self, step):
        if step == self.fatal:
            os.kill(os.getpid(), signal.SIGTERM)
        self.total += step
        return {"loss": torch.tensor(float(self.total))}

    def state(self):
        return {"total": self.total}

    def restore(self, state):
        self.total = state["total"]


def test_sigterm_saves_a_checkpoint_from_which_the_same_command_goes_on(tmp_path):
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated, match="t: ended by SIGTERM after step 4"), CheckpointFolder(tmp_path, "x") as c:
        run_training("t", Summing(fatal=3), 10, c, checkpoint_every=100)
    assert signal.getsignal(signal.SIGTERM) is handler
    resumed = Summing(fatal=1)  # step 1 is not done again
    with CheckpointFolder(tmp_path, "x") as c:
        history = run_training("t", resumed, 10, c, checkpoint_every=100)
    assert resumed.total == sum(range(10)) and len(history) == 10


def test_sigterm_in_the_last_step_lets_the_training_finish(tmp_path):
    with CheckpointFolder(tmp_path, "x") as c:
        assert len(run_training("t", Summing(fatal=9), 10, c, checkpoint_every=100)) == 10


def test_a_gpu_that_is_not_there_is_refused_and_auto_falls_back():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match="device: cuda was asked for"):
        prepare_device("cuda", 1)
    assert prepare_device("auto", 1) == CPU


@pytest.mark.parametrize(
    ("flags", "expected"), [("flags: avx2 amx_bf16 amx_tile", torch.bfloat16), ("flags: avx512_bf16", torch.float32)]
)
def test_auto_takes_bfloat16_on_a_cpu_with_amx_alone(tmp_path, monkeypatch, flags, expected):
    (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr("dar_uda.training.device.CPU_INFO", tmp_path / "cpuinfo")
    assert choose_precision("auto", CPU) == expected
    assert choose_precision("float32", CPU) == torch.float32
    monkeypatch.setattr("dar_uda.training.device.CPU_INFO", tmp_path / "missing")
    assert choose_precision("auto", CPU) == torch.float32


def test_adabelief_has_the_papers_settings_and_prints_nothing(capsys):
    optimizer = adabelief([torch.nn.Parameter(torch.ones(2))], 1e-3, (0.5, 0.9), weight_decay=1e-4)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (1e-3, (0.5, 0.9), 1e-16, 1e-4)
    assert optimizer.weight_decouple and optimizer.rectify
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_weights_are_readable_by_whom_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save_weights(tmp_path / "weights.safetensors", torch.nn.Linear(1, 1), {})
    finally:
        os.umask(before)
    assert (tmp_path / "weights.safetensors").stat().st_mode & 0o777 == mode


def test_weights_without_arguments_are_refused_by_name(tmp_path):
    module = torch.nn.Linear(2, 3)
    save_weights(tmp_path / "good.safetensors", module, {"width": 2})
    state, arguments = load_weights(tmp_path / "good.safetensors")
    assert arguments == {"width": 2} and torch.equal(state["weight"], module.weight)
    save_file({"x": torch.ones(1)}, tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match="bad.safetensors.*written by DAR-UDA"):
        load_weights(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("text", ["[" * 100_000, "{", ""])
def test_arguments_of_weights_that_are_not_json_are_refused(tmp_path, text):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"arguments": text})
    with pytest.raises(ValueError, match=r"DAR-280: .*a.safetensors: the constructor arguments .* are not JSON"):
        load_weights(tmp_path / "a.safetensors")


def test_the_optimizer_steps_as_adabelief_pytorch_does():
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(size)) for size in (3, 50, 7)]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    foreach = adabelief(ours, 1e-2, (0.9, 0.999), weight_decay=1e-2)
    settings = {"lr": 1e-2, "betas": (0.9, 0.999), "eps": 1e-16, "weight_decay": 1e-2}
    plain = AdaBelief(theirs, **settings, weight_decouple=True, rectify=True, print_change_log=False)
    for step in range(12):  # from the sixth step on the variance counts
        for one, other in zip(ours, theirs, strict=True):
            one.grad = None if step == 3 and len(one) == 7 else torch.randn_like(one)
            other.grad = None if one.grad is None else one.grad.clone()
        if step == 8:
            foreach.load_state_dict(foreach.state_dict())
        foreach.step()
        plain.step()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)


def test_the_lock_is_closed_before_its_folder_is_removed(tmp_path, monkeypatch):
    """On NFS a file that is open is renamed where it is deleted: its folder is not empty (OSError 39)."""
    held = []

    def rmtree(folder):
        held.extend(file.resolve() for file in Path("/proc/self/fd").iterdir())
        assert folder == tmp_path / "work"

    monkeypatch.setattr("dar_uda.jobs.checkpoints.shutil.rmtree", rmtree)
    with CheckpointFolder(tmp_path / "work", "x") as checkpoints:
        checkpoints.save({"step": 5})
    assert held and not any((tmp_path / "work") in path.parents for path in held)


@pytest.mark.parametrize("error", [OSError(errno.ENOTEMPTY, "Directory not empty"), PermissionError("not yours")])
def test_a_folder_that_cannot_be_removed_is_a_warning_and_the_training_is_done(tmp_path, monkeypatch, caplog, error):
    def rmtree(_):
        raise error

    monkeypatch.setattr("dar_uda.jobs.checkpoints.shutil.rmtree", rmtree)
    with CheckpointFolder(tmp_path / "work", "x"):
        pass
    assert f"{tmp_path / 'work'} cannot be removed ({error}): the training is done" in caplog.text


def test_a_folder_that_is_kept_is_there_for_the_next_try(tmp_path):
    with CheckpointFolder(tmp_path / "work", "x", keep=True) as checkpoints:
        checkpoints.save({"step": 5})
    with CheckpointFolder(tmp_path / "work", "x") as checkpoints:
        assert checkpoints.load(CPU) == {"step": 5}
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("keep", [True, False])
def test_a_job_with_more_to_write_keeps_a_finished_trainings_checkpoint(tmp_path, keep):
    job = Job.prepare(0, "code", 1, "cpu", "float32", keep_checkpoints=keep)
    with job.training("t", Summing(), 4, {"checkpoint_every": 1}, tmp_path / "history.tsv", []):
        pass
    assert (tmp_path / "checkpoints" / "latest.pt").exists() == keep and (tmp_path / "history.tsv").exists()
