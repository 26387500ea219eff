"""A training as two ranks (gloo, on the CPU): one of them writes, it ends and goes on as one process does."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import torch.distributed as dist

from dar_uda.data.network_volume import write_image, write_label
from dar_uda.segmentation.train import train_segmenter
from dar_uda.training import launch as launching
from dar_uda.training import loop
from dar_uda.training.launch import launch
from tests.segmentation.test_train_and_predict import SETTINGS as SEGMENTATION

SETTINGS = {**SEGMENTATION, "steps": 4, "checkpoint_every": 1}
SCRIPT = """
import json, sys
from dar_uda.segmentation.train import train_segmenter
from dar_uda.training.launch import launch
if __name__ == "__main__":
    launch(train_segmenter, **json.loads(sys.argv[1]))
"""


@pytest.fixture
def job_alone(tmp_path):
    """Return what two ranks are given, whatever they train."""
    choices = {"device": "cpu", "precision": "float32", "activation_checkpointing": False, "gpus_per_training": 2}
    return {"seed": 0, "code": "c", "threads": 2, "log": str(tmp_path / "log.txt"), **choices}


@pytest.fixture
def told(tmp_path, job_alone):
    """Return what a job tells of a training on one volume; its files lie in `tmp_path`."""
    label = np.zeros((8, 32, 32), np.uint8)
    label[2:6, 8:24, 10:22] = 1
    write_label(tmp_path / "label.nii", label, np.eye(4))
    write_image(tmp_path / "image.nii", np.where(label == 1, 0.8, 0.2).astype(np.float32), np.eye(4))
    outputs = {"weights": "weights.safetensors", "history": "history.tsv", "usage": "usage.json"}
    return {
        **job_alone,
        **{key: str(tmp_path / name) for key, name in outputs.items()},
        **{"images": [str(tmp_path / "image.nii")], "labels": [str(tmp_path / "label.nii")]},
        **{"classes": 2, "network": {}, "segmentation": SETTINGS},
    }


@pytest.fixture(autouse=True)
def logging_as_before():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_two_ranks_end_by_sigterm_and_one_process_goes_on(told, tmp_path, caplog, monkeypatch):
    endless = {**told, "segmentation": {**SETTINGS, "steps": 4000}}
    command = [sys.executable, "-c", SCRIPT, json.dumps(endless)]
    job = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline, checkpoint = time.monotonic() + 240, tmp_path / "checkpoints" / "latest.pt"
    while not checkpoint.exists():
        assert time.monotonic() < deadline and job.poll() is None, job.communicate()[1]
        time.sleep(0.1)
    job.send_signal(signal.SIGTERM)
    _, errors = job.communicate(timeout=120)
    assert job.returncode != 0 and "the same command goes on from the last checkpoint" in errors
    assert checkpoint.exists() and not (tmp_path / "weights.safetensors").exists()
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(loop, "_check_losses", interrupt)
    with pytest.raises(KeyboardInterrupt):
        launch(train_segmenter, **{**endless, "gpus_per_training": 1})
    assert any("resumed from the checkpoint at step" in message for message in caplog.messages)


@pytest.mark.usefixtures("forked_ranks")
def test_of_two_ranks_the_first_writes_all_and_once(told, tmp_path):
    launch(train_segmenter, **told)
    assert len(pd.read_csv(tmp_path / "history.tsv", sep="\t")) == 4
    assert (tmp_path / "weights.safetensors").exists() and not (tmp_path / "checkpoints").exists()
    assert (tmp_path / "log.txt").read_text().count("step 4/4") == 1, "the first rank alone tells"


@pytest.mark.usefixtures("forked_ranks")
def test_a_ranks_error_is_told_in_its_words(told, tmp_path):
    with pytest.raises(
        RuntimeError, match="^DAR-213: segmentation.batch_size is 3 and gpus_per_training 2; expected a batch"
    ):
        launch(train_segmenter, **{**told, "segmentation": {**SETTINGS, "batch_size": 3}})
    assert not (tmp_path / "weights.safetensors").exists()


def lists_sockets(folder, launcher, **_):
    """Sum something over the ranks, then write where this rank and the process that launched it listen."""
    dist.all_reduce(torch.ones(1))
    listening = [
        connection.laddr.ip
        for process in (psutil.Process(), psutil.Process(launcher))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    (meeting,) = Path(folder).glob("dar-uda-ranks-*")
    met = [path.name for path in meeting.iterdir()]
    found = {"listening": listening, "mode": meeting.stat().st_mode & 0o777, "met": met}
    Path(folder).with_name(f"{dist.get_rank()}.json").write_text(json.dumps(found))
    dist.all_reduce(torch.ones(1))  # both have looked before either ends


@pytest.mark.usefixtures("forked_ranks")
def test_two_ranks_open_no_socket_but_gloos_on_loopback(job_alone, tmp_path, monkeypatch):
    """A store at a port is open to every user of the machine, and torch unpickles what it holds."""
    odd = tmp_path / "no #address? %41"
    odd.mkdir()
    monkeypatch.setattr(launching, "TemporaryDirectory", partial(TemporaryDirectory, dir=odd))
    launch(lists_sockets, **job_alone, folder=str(odd), launcher=os.getpid())
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found == {"listening": ["127.0.0.1"], "mode": 0o700, "met": ["ranks"]}


def the_second_is_killed(**_):
    if dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.all_reduce(torch.ones(1))


@pytest.mark.usefixtures("forked_ranks")
def test_a_rank_that_is_killed_is_named_and_the_others_end(job_alone):
    with pytest.raises(RuntimeError, match="^DAR-500: a process of the training was ended by SIGKILL"):
        launch(the_second_is_killed, **job_alone)


def fails():
    raise FileNotFoundError("ct_01.nii")


@pytest.mark.parametrize(("does", "ends"), [(lambda **_: None, ["group"]), (lambda **_: fails(), [])])
def test_a_rank_with_an_error_does_not_wait_for_the_others_to_end_their_group(tmp_path, monkeypatch, does, ends):
    ended = []
    monkeypatch.setattr(launching.os, "environ", {})
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **__: None)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: ended.append("group"))
    computing = {"seed": 0, "code": "c", "threads": 1, "precision": "float32"}
    with pytest.raises(SystemExit) if not ends else nullcontext():
        launching._rank(1, str(tmp_path), does, ["cpu", "cpu"], computing, "log.txt", {})
    assert ended == ends
    told = [json.loads(path.read_text())["words"] for path in tmp_path.glob("error-1.json")]
    assert told == ([] if ends else ["ct_01.nii"])


def waits(**_):
    print(os.getpid(), flush=True)
    signal.pause()


LAUNCHES = """
import json, sys
from dar_uda.training.launch import launch
from tests.training.test_launch import waits
if __name__ == "__main__":
    launch(waits, **json.loads(sys.argv[1]))
"""


@pytest.mark.slow
def test_ranks_end_with_their_launcher_also_by_kill_9(job_alone):
    command = [sys.executable, "-c", LAUNCHES, json.dumps(job_alone)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
        ranks = [psutil.Process(int(job.stdout.readline())) for _ in range(2)]
        job.kill()
        assert psutil.wait_procs(ranks, timeout=60)[1] == []
