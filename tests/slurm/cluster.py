"""A Slurm of one node with one pretended GPU, on this machine, without systemd and without a database of accounts."""

import os
import pwd
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

HERE = Path(__file__).parent
CONFIG = Path("/etc/slurm")
CPUS = 8
"""More than the machine has, as a training asks for several."""
PATIENCE = 30


def ask(*command):
    """Return what a command of Slurm prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout


def wait_until(condition, what):
    """Wait until a condition holds; raise where it does not within seconds."""
    for _ in range(10 * PATIENCE):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError(f"waited {PATIENCE} s for {what}")


def munge_answers():
    return subprocess.run("munge -n < /dev/null | unmunge", shell=True, capture_output=True).returncode == 0


def start_munge():
    """Start the service that signs Slurm's messages, where none runs; return its process id, or None."""
    if munge_answers():
        return None
    user = pwd.getpwnam("munge")
    folder = Path("/run/munge")
    folder.mkdir(exist_ok=True)
    os.chown(folder, user.pw_uid, user.pw_gid)
    subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged"], check=True)
    wait_until(munge_answers, "munged")
    return int((folder / "munged.pid").read_text())


def write_config(root):
    """Write Slurm's configuration and link it where its programs look for it: jobs lose SLURM_CONF."""
    values = {
        "@ROOT@": str(root),
        "@HOST@": socket.gethostname().split(".")[0],
        "@CPUS@": str(CPUS),
        "@MEMORY@": str(4 * psutil.virtual_memory().total // 2**20),
    }
    text = (HERE / "slurm.conf.in").read_text()
    for name, value in values.items():
        text = text.replace(name, value)
    (root / "slurm.conf").write_text(text)
    links = {CONFIG / "slurm.conf": root / "slurm.conf", CONFIG / "gres.conf": HERE / "gres.conf"}
    for link, target in links.items():
        if link.exists() or link.is_symlink():
            raise FileExistsError(f"{link} exists; expected a machine without a Slurm of its own")
        link.symlink_to(target)
    return list(links)


@contextmanager
def one_node_cluster(root):
    """Within the block `sbatch` works; afterwards every daemon that was started here is stopped."""
    for folder in (root, root / "state", root / "spool"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    links, daemons, munged = write_config(root), [], start_munge()
    try:
        for command in (["slurmctld", "-D", "-c"], ["slurmd", "-D"]):
            with (root / f"{command[0]}.out").open("w") as output:
                daemons.append(
                    subprocess.Popen(
                        [f"/usr/sbin/{command[0]}", *command[1:]],
                        stdout=output,
                        stderr=output,
                        start_new_session=True,
                    )
                )
        wait_until(lambda: ask("sinfo", "-h", "-o", "%T").startswith("idle"), f"an idle node, see {root}")
        yield
    finally:
        ask("scancel", "--user", "root")
        for daemon in reversed(daemons):
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(timeout=PATIENCE)
            daemon.kill()
        if munged is not None:
            os.kill(munged, signal.SIGTERM)
        for link in links:
            link.unlink()
