"""Tables that are targets of their own, each with a report."""

for table in config["tables"]:

    rule:
        name:
            table
        input:
            f"results/{RUN}/checks.txt",
            table_files(table),
            report_of(table),
        localrule: True
