"""Stages that end in every way, for tests of the runner."""

import os
import sys
import time

import torch


def die() -> dict:
    print("the last words", flush=True)
    os._exit(3)


def hang() -> dict:
    print("it hangs", file=sys.stderr, flush=True)
    time.sleep(600)


def fail() -> dict:
    raise ValueError("one task that fails")


def run(tasks) -> None:
    """Do what the stage's name asks for, between two tasks that are done in any case."""
    tasks.do("first", lambda: {"process": os.getpid(), "tf32": torch.backends.cuda.matmul.allow_tf32})
    torch.backends.cuda.matmul.allow_tf32 = True
    name = tasks.key["stage"]
    if name == "dies":
        tasks.do("dies", die)
    if name == "fails":
        tasks.do("fails", fail)
        tasks.do("goes on", lambda: {"state": "failed"})
    if name == "hangs":
        tasks.do("hangs", hang, seconds=0.5)
    if name == "sleeps":
        hang()
    if name == "breaks":
        raise ValueError("not within a task")
    if name == "long":
        tasks.do("too long", lambda: {}, seconds=10**6)
    tasks.do("last", lambda: {})
