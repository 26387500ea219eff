"""A page that shows the volumes of a run in three planes: served from this machine, to this machine."""
