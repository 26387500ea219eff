"""Tests compute on one thread: two threads that wait for each other on a busy machine take many times longer."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
