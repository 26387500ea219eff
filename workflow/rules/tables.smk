"""Tables that are targets of their own, each with a report."""

for name in config["tables"]:

    rule:
        name:
            name
        input:
            PLAN.paths.checks,
            PLAN.table_files(name),
            PLAN.paths.report(name),
        localrule: True
