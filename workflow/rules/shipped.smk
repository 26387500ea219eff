"""The shipped config, with the user's over it.

Read here and not by `configfile:`, which does nothing where this workflow is a module of another one.
"""

from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

for entry in [
    SHIPPED / "config.yaml",
    *sorted([*SHIPPED.glob("tasks/*.yaml"), *SHIPPED.glob("budgets/*.yaml")]),
]:
    update_config(config, load_configfile(str(entry)))
update_config(config, deepcopy(USER_CONFIG))
