"""The last stage: the figures of a run, and one page that shows and explains it."""
