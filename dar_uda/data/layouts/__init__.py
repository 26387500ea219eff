"""Folders of public datasets and of other tools, as cases tables."""
