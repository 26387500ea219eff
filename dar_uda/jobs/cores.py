"""How many CPU cores this process may use."""

from joblib import cpu_count


def usable_cores() -> int:
    """Return the cores that the affinity mask and the quota of the control group leave to this process, at least 1.

    `os.cpu_count` counts those of the machine. LOKY_MAX_CPU_COUNT lowers the number.
    """
    return cpu_count()


if __name__ == "__main__":
    print(usable_cores())
