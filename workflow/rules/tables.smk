"""Tables that are targets of their own."""

for table in config["tables"]:

    rule:
        name:
            table
        input:
            f"results/{RUN}/checks.txt",
            table_files(table),
        localrule: True
