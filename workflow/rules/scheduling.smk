"""When Snakemake looks for jobs to start; docs/scaling.md has what this saves."""


onstart:
    # The limiter of starts per second wakes the scheduler again for each job that has finished. No option turns it off;
    # a limit other than Snakemake's own default (100/1s) holds.
    limiter = getattr(workflow.scheduler, "job_rate_limiter", None)
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
