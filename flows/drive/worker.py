"""A job on Bytewax: the engine's plan, made from a configuration."""

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from flows.archive.archive import Archive
from flows.drive.assembly import Assembly
from flows.engine.growth import Growth
from flows.engine.monitor import OnProgress
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.evolution.saved_job import CONFIG_NOTE, numbered_cohorts, unsaid_layout
from flows.job_stages import JobStages
from flows.metrics.facts import Facts
from flows.metrics.otlp import sending, wanted
from flows.metrics.overview import Overview
from flows.summary import Summary
from flows.version import driftnet_version
from flows.whereabouts import bind, unbind

STARTS_NOTE: Final = "starts.json"
"""Where sources that others write to began, in the state directory."""


def plan(assembly: Assembly, options: Options) -> Plan:
    """What every process of a run must know.  Raises ConfigError, SourceError."""
    sources = partitions_of(assembly.sources())
    unsaid = unsaid_layout(options.state_dir, assembly.config)
    job = assembly.config.job()
    numbers = numbered_cohorts(options.state_dir, job)
    stages = JobStages(job, tuple(sources), assembly.reads(sources), unsaid, numbers).stages()
    openers, notes = assembly.openers(), {CONFIG_NOTE: assembly.config.to_toml()}
    facts = Facts.of_job(
        job,
        run=assembly.run_id,
        version=driftnet_version(),
        live=options.live,
        partitions={name: assembly.reads(sources).get(name, "events") for name in sources},
        processes=options.members,
        stages=tuple(stage.name for stage in stages.keyed),
        sinks={name: stream for name, (stream, _) in openers.items()},
        elsewhere=len(options.addresses) > 1,
    )
    return Plan(stages, sources, openers, options, notes, facts)


def work(
    assembly: Assembly, options: Options, progress: OnProgress | None = None, archive: Archive | None = None
) -> Summary:
    """Runs to the end of the input, or until a signal, on Bytewax; see `flows.engine.run.execute`.

    When others add partitions to the input of a run with saved state, it goes on with them.
    """
    assembly = assembly.pinned(options.state_dir and options.state_dir / STARTS_NOTE)
    with ExitStack() as stack:
        bind(run=assembly.run_id)
        stack.callback(unbind)
        otlp = wanted(os.environ)
        overview: Overview | None = None
        if otlp:
            overview = stack.enter_context(sending(assembly.run_id, driftnet_version(), otlp))
            options = replace(options, traced=otlp.traces)
        if options.listen:
            from flows.metrics.server import serving

            overview = overview or Overview()
            options = replace(options, listen=stack.enter_context(serving(options.listen, overview)))
        while True:
            planned = plan(assembly, options)
            assembly.record()
            growth = Growth(planned.sources, assembly.discover_s)
            summary = execute(planned, progress, growth, overview, archive)
            if not growth.found:
                return summary
