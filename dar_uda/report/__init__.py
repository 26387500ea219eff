"""The last stage: one page that shows and explains a run."""
