"""Which checks a trial has."""

from collections.abc import Callable, Iterator
from functools import partial

from flows.config.plugged import Settings
from flows.contract import formats, settings, sinks, sources
from flows.contract.trial import FormatTrial, SinkTrial, SourceTrial, Trial
from flows.sinks.base import Delivery
from state.check import Check


def checks_of(trial: Trial) -> Iterator[Check]:
    """The checks that apply, by what the settings promise and by what the trial can do."""
    if isinstance(trial, SinkTrial):
        yield from _checks(trial, trial.fresh, _of_sink(trial))
    elif isinstance(trial, SourceTrial):
        yield from _checks(trial, trial.fresh, _of_source(trial))
    else:
        yield from _checks(trial, lambda: trial.settings, _of_format(trial))


def _checks(
    trial: Trial, fresh: Callable[[], Settings], own: Iterator[tuple[str, Callable[..., None]]]
) -> Iterator[Check]:
    of_settings: list[tuple[str, Callable[[Settings], None]]] = [
        ("settings that are wrong say so, under their key", settings.say_what_is_wrong),
        ("settings have a description each", settings.are_explained),
        ("settings come back from what is shown of them, and from a pickle", settings.come_back),
    ]
    for name, check in of_settings:
        yield Check(name, lambda check=check: check(fresh()))  # type: ignore[misc]
    for name, of_trial in own:
        yield Check(name, partial(of_trial, trial))


def _of_sink(trial: SinkTrial) -> Iterator[tuple[str, Callable[[SinkTrial], None]]]:
    delivery = trial.fresh().delivery
    yield "what it stands for is picklable, and has a name that stays", sinks.has_a_name
    yield "records arrive whole, and those of a key in their order", sinks.arrive
    yield "positions are JSON, nothing is too little to be written, and closing twice does nothing", sinks.positions
    yield "texts of all kinds come back: quotes, markup, line ends, NUL, huge ones", sinks.odd_texts
    if delivery is Delivery.UPSERT and trial.whole:
        yield "a record that is told again takes the place of what was there", sinks.told_again
    once = "are there once" if delivery is not Delivery.AGAIN else "are not lost"
    yield "what was flushed is there after a kill", sinks.flushed_is_there
    yield f"records {once} after kills, whatever had been flushed and saved", sinks.killed
    yield f"a job that is killed and goes on leaves records that {once}", sinks.job_killed
    if trial.outage is not None:
        yield f"an outage of {trial.outage_s:g} s is waited for, or ends in good order: records {once}", sinks.outage
    if trial.broken is not None:
        yield "a place where nobody can write is refused when it is opened", sinks.refuses
    if trial.secret:
        yield "secrets are in nothing that is shown", sinks.keeps_secrets


def _of_source(trial: SourceTrial) -> Iterator[tuple[str, Callable[[SourceTrial], None]]]:
    yield "partitions have names of their own, the same each time, and what opens them is picklable", sources.partitions
    yield "all lines come, once, in order, however many are asked for, and an end stays one", sources.reads_all
    yield "sizes and lag are numbers, or not known", sources.sizes
    yield "what was opened is closed", sources.closes
    if trial.fresh().resumes:
        yield "positions are JSON, and give what follows: no line lost, none twice", sources.positions
        yield "a reader that was killed is followed by one that goes on", sources.killed
        yield "a job that is killed and goes on reads each line once", sources.job_killed
    if trial.secret:
        yield "secrets are in nothing that is shown", sources.keeps_secrets


def _of_format(trial: FormatTrial) -> Iterator[tuple[str, Callable[[FormatTrial], None]]]:
    yield "values become their objects", formats.samples
    yield "what a value becomes depends on nothing else", formats.one_by_one
    yield "garbage is a line or a reason, and never another exception", formats.garbage
    yield "a job goes on over garbage, and accounts for it", formats.job
    if trial.secret:
        yield "secrets are in nothing that is shown", formats.keeps_secrets
