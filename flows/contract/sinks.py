"""What every sink must do."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any, Final

from flows.config.plugged import SinkSettings
from flows.contract import job
from flows.contract.lives import Step, alert, live
from flows.contract.settings import keep
from flows.contract.trial import SinkTrial
from flows.drive.assembly import Opener
from flows.sinks.base import Delivery, Opening, Record, Sink
from flows.sources.files import FilesSpec
from flows.streams import Stream
from state.check import must
from state.errors import ConfigError, SinkError
from state.pickles import copied

_TEXTS: Final = (
    "plain",
    "Zoë 東京 \N{PILE OF POO} \u202eltr",
    "'; DROP TABLE alerts; -- \" \\ $1 %s {{ x }} ${HOME}",
    '<b>&amp;</b> <!channel> </script> {"a": [1]}',
    "two\nlines\r\nand\ttabs\x0b\x1b[31m\u2028",
    "a\0b",
    "0x00 " * 20_000,
)
"""Ids of subjects come from outside."""
_NUL: Final = ("\0", "\N{REPLACEMENT CHARACTER}")
"""A place that has no NUL has this instead."""


def has_a_name(trial: SinkTrial) -> None:
    """A saved position finds its sink again by its name, in another process."""
    settings = trial.fresh()
    spec = settings.sink()
    again = copied(spec)
    must(bool(spec.name) and again.name == spec.name == settings.sink().name, f"the name {spec.name!r} does not stay")
    must(spec.name.startswith(f"{settings.kind}."), f"the name {spec.name!r} does not begin with {settings.kind}.")


def arrive(trial: SinkTrial) -> None:
    """In batches of several sizes."""
    settings = trial.fresh()
    sink = _open(settings)
    sink.write([alert(n) for n in range(1)])
    sink.write([alert(n) for n in range(1, 20)])
    sink.flush()
    sink.write([alert(n) for n in range(20, 300)])
    sink.close()
    _compare(trial, settings, [alert(n) for n in range(300)])


def positions(trial: SinkTrial) -> None:
    """Each of them."""
    settings = trial.fresh()
    sink = _open(settings)
    found = [sink.flush()]
    sink.write([])
    found.append(sink.flush())
    sink.write([alert(0)])
    found += [sink.flush(), sink.flush()]
    sink.close()
    sink.close()
    for position in found:
        try:
            again = json.loads(json.dumps(position))
        except (TypeError, ValueError) as error:
            raise AssertionError(f"{position!r} is no JSON value: {error}") from None
        must(again == position, f"{position!r} is {again!r} as JSON")
    _open(settings, json.loads(json.dumps(found[-1]))).close()
    _compare(trial, settings, [alert(0)])


def odd_texts(trial: SinkTrial) -> None:
    """Of the ids of subjects."""
    settings = trial.fresh()
    sink = _open(settings)
    records = [alert(n) | {"subject": text, "cohort": text} for n, text in enumerate(_TEXTS)]
    sink.write(records)
    sink.close()
    found = trial.read(settings)
    must(len(found) == len(records), f"{len(records)} records were written, {len(found)} are there")
    if trial.whole:
        there = {record["raised"]: record for record in found}
        for record in records:
            text = there[record["raised"]]["subject"]
            allowed = (record["subject"], record["subject"].replace(*_NUL))
            must(text in allowed, f"{record['subject'][:80]!r} became {text[:80]!r}")


def told_again(trial: SinkTrial) -> None:
    """In one batch, in two, and in another life."""
    settings = trial.fresh()
    first, second, third = (alert(0) | {"severity": word} for word in ("medium", "high", "critical"))
    sink = _open(settings)
    sink.write([first, alert(1), second])
    sink.flush()
    _compare(trial, settings, [second, alert(1)], ordered=False)
    sink.write([third])
    position = sink.flush()
    sink.close()
    sink = _open(settings, position)
    sink.write([third])
    sink.close()
    _compare(trial, settings, [third, alert(1)], ordered=False)


def flushed_is_there(trial: SinkTrial) -> None:
    """Without a close: the process died."""
    settings = trial.fresh()
    (position,) = live(settings, None, Step("write", 0, 7), Step("flush"), Step("die"))
    live(settings, position, Step("close"))
    _compare(trial, settings, [alert(n) for n in range(7)])


def killed(trial: SinkTrial) -> None:
    """Before the first checkpoint, after a flush that was not saved, in the middle of what follows, and without a
    close; from the position that was saved, all that followed it comes again.
    """
    settings = trial.fresh()
    (begin,) = live(settings, None, Step("flush"), Step("close"))
    live(settings, begin, Step("write", 0, 5), Step("die"))
    saved, _ = live(
        settings,
        begin,
        Step("write", 0, 10),
        Step("flush"),
        Step("write", 10, 20),
        Step("flush"),
        Step("write", 20, 23),
        Step("die"),
    )
    live(settings, saved, Step("write", 10, 15), Step("die"))
    *_, last = live(
        settings,
        saved,
        Step("write", 10, 21),
        Step("flush"),
        Step("write", 21, 30),
        Step("flush"),
        Step("die"),
    )
    live(settings, last, Step("write", 30, 40), Step("close"))
    _compare(trial, settings, [alert(n) for n in range(40)])


def job_killed(trial: SinkTrial) -> None:
    """Twice; against what a run says that nobody kills."""
    settings = trial.fresh()
    with TemporaryDirectory(prefix="driftnet-contract-") as place:
        file = Path(place) / "events.jsonl"
        file.write_bytes(b"\n".join(job.events()) + b"\n")
        source = FilesSpec((str(file),))
        _, expected = job.run_whole(source, Stream.ALERTS)
        openers = {"trial": (Stream.ALERTS, Opener(settings.sink(), Stream.ALERTS, "trial", job.small_job().names))}
        job.run_killed(source, openers, Path(place) / "state", batch_lines=10, deaths=(12, 7))
    _compare(trial, settings, expected[Stream.ALERTS])


def outage(trial: SinkTrial) -> None:
    """Writes go on meanwhile, and a flush waits.  A sink that gives up says SinkError, and a run goes on from its last
    checkpoint once the place is back.
    """
    assert trial.outage is not None
    settings = trial.fresh()
    sink = _open(settings)
    sink.write([alert(n) for n in range(5)])
    position = json.loads(json.dumps(sink.flush()))
    away = trial.outage(settings)
    away.__enter__()
    back = Timer(trial.outage_s, away.__exit__, (None, None, None))
    back.start()
    began_s = time.monotonic()
    try:
        for n in range(5, 25, 5):
            sink.write([alert(each) for each in range(n, n + 5)])
        sink.flush()
    except SinkError as error:
        _without(trial, str(error))
        back.join()
        _abandon(sink)
        sink = _open(settings, position)
        sink.write([alert(n) for n in range(5, 25)])
    back.join()
    must(time.monotonic() - began_s >= trial.outage_s, "the outage was not waited for")
    sink.write([alert(n) for n in range(25, 30)])
    sink.close()
    _compare(trial, settings, [alert(n) for n in range(30)])


def _abandon(sink: Sink) -> None:
    """As the engine does at the end of a run that failed."""
    try:
        sink.close()
    except SinkError:
        return


def refuses(trial: SinkTrial) -> None:
    """With an error that says where, and nothing secret."""
    assert trial.broken is not None
    try:
        sink = _open(trial.broken())
        sink.write([alert(0)])
        sink.flush()
    except (SinkError, ConfigError) as error:
        must(len(str(error)) > 10, f"says no more than {error}")
        _without(trial, str(error))
        return
    raise AssertionError("nobody can write there, and nothing was raised")


def keeps_secrets(trial: SinkTrial) -> None:
    """Neither settings, nor what they stand for, nor its name."""
    settings = trial.fresh()
    spec = settings.sink()
    keep(settings, trial.secret, repr(spec), str(spec), spec.name)


def _without(trial: SinkTrial, text: str) -> None:
    must(not trial.secret or trial.secret not in text, "a message tells a secret")


def _open(settings: SinkSettings, position: Any = None) -> Sink:
    return settings.sink().open(Opening(Stream.ALERTS, position, "trial", job.small_job().names))


def _compare(trial: SinkTrial, settings: SinkSettings, expected: Sequence[Record], *, ordered: bool = True) -> None:
    """What is there against what was written: each once, or with `Delivery.AGAIN` at least once."""
    found = trial.read(settings)
    wanted = {_identity(record): record for record in expected}
    seen = Counter(map(_identity, found))
    lost = [record for record in wanted if record not in seen]
    must(not lost, f"of {len(wanted)} records, {len(lost)} are lost: {lost[:3]}")
    strange = [record for record in seen if record not in wanted]
    must(not strange, f"there are records that nobody wrote: {strange[:3]}")
    if settings.delivery is not Delivery.AGAIN:
        twice = [record for record, times in seen.items() if times > 1]
        must(not twice, f"of {len(wanted)} records, {len(twice)} are there more than once: {twice[:3]}")
    for record in found:
        whole = wanted[_identity(record)]
        wrong = {key: value for key, value in record.items() if value != whole.get(key)}
        must(not wrong, f"{_identity(record)} has {str(wrong)[:200]}, and not what was written")
        must(not trial.whole or record.keys() >= whole.keys(), f"{_identity(record)} lacks fields that were written")
    if ordered and trial.ordered:
        _in_order(found, expected)


def _in_order(found: Iterable[Mapping[str, Any]], expected: Iterable[Record]) -> None:
    """For each subject, by when each record came for the first time."""
    for subject in dict.fromkeys(record["subject"] for record in expected):
        written = [record["raised"] for record in expected if record["subject"] == subject]
        there = list(dict.fromkeys(record["raised"] for record in found if record["subject"] == subject))
        must(there == written, f"records of {subject} came in the order {there[:6]}..., and not {written[:6]}...")


def _identity(record: Mapping[str, Any]) -> tuple[str, str]:
    return str(record["raised"]), str(record["subject"])
