"""What is wrong with a cases table and its files, all of it at once, before anything is trained."""
