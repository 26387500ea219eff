"""The error that stops a run before any job."""


class PlanError(ValueError):
    """A config, or what it names, asks for what a run cannot do; the message is for the user."""
