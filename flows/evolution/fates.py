"""What becomes of each part of saved state in a job that is configured otherwise, said before it is done."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from flows.evolution.layout import Layout, changes, form_of, replaceable, state_settings
from flows.evolution.renames import renamed_shape
from flows.job import Job, SubjectKind

MADE_OF: Final = "made_of"
"""In a shape: the layout of what the job saves."""
UNSAID: Final = "unsaid"
"""In a shape: the layout of what an earlier build saved, which does not say its own."""
COHORT_NUMBERS: Final = "cohort_numbers"
"""In a shape: cohort -> the number of its key, for the life of the state."""
KINDS: Final = "kinds"
"""In a shape: name -> shape of each further kind of subjects."""
CAMPAIGNS: Final = "campaigns"
"""In a shape: what the evidence of campaigns is made of."""
RENAMED: Final = "renamed"
"""In a shape: kind -> name before -> name now, of what the configuration says was called otherwise."""
Shape = Mapping[str, Any]
"""JSON values, noted beside state."""


class FateKind(StrEnum):
    """What becomes of something."""

    KEPT = "kept"
    RENAMED = "renamed"
    COLD = "cold"
    DROPPED = "dropped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Fate:
    """why: a sentence that names what it is about."""

    kind: FateKind
    why: str


def shape_of(job: Job, numbers: Mapping[str, int] = MappingProxyType({})) -> dict[str, Any]:
    """What is noted of a job beside its state: settings as text, layout, and the windows of each detector.

    numbers: of cohorts, where they are not their positions.
    """
    cohorts, form = job.judgement.cohorts.names, form_of(job)
    kinds = {kind.name: {"key": _key_of(kind), **shape_of(kind.job, numbers)} for kind in job.kinds}
    return {
        **({KINDS: kinds} if kinds else {}),
        **({CAMPAIGNS: job.campaigns.meaning} if job.campaigns is not None else {}),
        "key_groups": job.stream.key_groups,
        "cohorts": list(cohorts),
        COHORT_NUMBERS: {name: numbers.get(name, position) for position, name in enumerate(cohorts)},
        "layout": state_settings(job),
        "replaceable": replaceable(job.judgement),
        RENAMED: form.renames,
        MADE_OF: form.layout.to_plain(),
        "detectors": {use.name: list(use.windows) for use in job.judgement.detectors},
    }


def _key_of(kind: SubjectKind) -> str:
    """What says which events are whose."""
    return f"{kind.key} {kind.where}" if kind.where else kind.key


def layout_in(shape: Shape) -> Layout | None:
    """Of the job whose shape it is; None where it does not say."""
    found = shape.get(MADE_OF, shape.get(UNSAID))
    return None if found is None else Layout.from_plain(found)


def unsaid_in(shape: Shape) -> Layout | None:
    """Of state that does not say its own layout; None where there is none, or it is the job's."""
    return Layout.from_plain(shape[UNSAID]) if UNSAID in shape else None


def fates(saved: Shape, now: Shape) -> list[Fate]:
    """Of all that the saved state consists of, and of what the job has beside.  Where a part is not in a shape, such as
    "partitions", nothing is said of it.
    """
    found = [Fate(FateKind.REFUSED, why) for why in _refused(saved, now)]
    before, after = layout_in(saved), layout_in(now)
    renames = now.get(RENAMED, {})
    saved, renamed, missing = renamed_shape(saved, renames)
    if before is not None and after is not None:
        before = before.renamed(renames, after)
    found += [Fate(FateKind.RENAMED, why) for why in renamed]
    found += [Fate(FateKind.COLD, why) for why in missing]
    changed = changes(saved["layout"], now["layout"])
    for name in ("event ids", "cohorts"):
        changed.pop(name, None)
    if before is None or after is None:
        found += [Fate(FateKind.REFUSED, why) for why in changed.values()]
    else:
        found += [*_of_cohorts(saved, now), *_of_layout(changed, before, after)]
    found += _of_replaceable(saved, now, before, after)
    return [*found, *_of_kinds(saved.get(KINDS, {}), now.get(KINDS, {})), *_of_campaigns(saved, now)]


def _of_campaigns(saved: Shape, now: Shape) -> Iterator[Fate]:
    before, after = saved.get(CAMPAIGNS), now.get(CAMPAIGNS)
    if before and not after:
        yield Fate(FateKind.DROPPED, "campaigns are gone: their state is dropped")
    elif after and not before:
        yield Fate(FateKind.COLD, "campaigns are new: they start cold")
    elif before != after:
        yield Fate(FateKind.COLD, "campaigns: coincidences are counted otherwise: these start cold, campaigns go on")


def _of_kinds(saved: Mapping[str, Shape], now: Mapping[str, Shape]) -> Iterator[Fate]:
    for kind in sorted(saved.keys() | now.keys()):
        if kind not in now:
            yield Fate(FateKind.DROPPED, f"subjects of kind {kind} are gone: their state is dropped")
        elif kind not in saved:
            yield Fate(FateKind.COLD, f"subjects of kind {kind} are new: they start cold")
        elif saved[kind]["key"] != now[kind]["key"]:
            was, is_ = saved[kind]["key"], now[kind]["key"]
            yield Fate(
                FateKind.REFUSED, f"subjects of kind {kind} went by {was!r}, go by {is_!r}; give them a new name"
            )
        else:
            yield from (Fate(fate.kind, f"{kind}: {fate.why}") for fate in fates(saved[kind], now[kind]))


def _refused(saved: Shape, now: Shape) -> Iterator[str]:
    if saved["key_groups"] != now["key_groups"]:
        yield f"key_groups was {saved['key_groups']!r}, is {now['key_groups']!r}"
    fixed = ("event ids",)
    was, is_ = ({name: shape["layout"][name] for name in fixed if name in shape["layout"]} for shape in (saved, now))
    yield from changes(was, is_).values()
    given = now.get(COHORT_NUMBERS, {})
    if any(given.get(name, number) != number for name, number in cohort_numbers(saved, now).items()):
        yield f"cohorts were {saved['cohorts']!r}, are {now['cohorts']!r}, under the numbers {given!r}"
    if "partitions" in now and (gone := [name for name in saved["partitions"] if name not in now["partitions"]]):
        yield f"it has read partitions that this job does not have: {', '.join(gone)}"


def cohort_numbers(saved: Shape, now: Shape) -> dict[str, int]:
    """Numbers for the cohorts of a job that goes on with saved state: those of before, where cohorts go by the same
    column, and fresh ones for the others.
    """
    before = saved.get(COHORT_NUMBERS) or {name: number for number, name in enumerate(saved["cohorts"])}
    fresh = max(before.values(), default=-1) + 1
    numbers: dict[str, int] = {}
    for name in now["cohorts"]:
        if name in before and _column(saved) == _column(now):
            numbers[name] = before[name]
        else:
            numbers[name] = fresh
            fresh += 1
    return numbers


def _column(shape: Shape) -> str:
    """What cohorts go by."""
    return str(shape["layout"].get("cohorts", {}).get("column", ""))


def _of_cohorts(saved: Shape, now: Shape) -> Iterator[Fate]:
    same = _column(saved) == _column(now)
    for name in saved["cohorts"]:
        if not same or name not in now["cohorts"]:
            yield Fate(FateKind.DROPPED, f"cohort {name} is gone: its state is dropped")
    for name in now["cohorts"]:
        if not same or name not in saved["cohorts"]:
            yield Fate(FateKind.COLD, f"cohort {name} is new: it starts cold")


def _of_layout(changed: Mapping[str, str], before: Layout, after: Layout) -> Iterator[Fate]:
    kept = before.kept_windows(after)
    for named, why in changed.items():
        kind, _, name = named.partition(" ")
        if why.endswith(" is gone"):
            yield Fate(FateKind.DROPPED, f"{why}: its state is dropped")
        elif kind == "column":
            there = before.columns.get(name, ("",))[0] == after.columns[name][0]
            yield _fate(there, why, "its words go on", "rows that wait have no value in it")
        elif kind == "sequence":
            there = name not in after.sequences or before.sequences.get(name) == after.sequences[name]
            yield _fate(there, why, "nothing looks at it", "it remembers nothing of what was before")
        elif kind == "feature" and not any(name in dict(after.windows[w].features) for w in kept):
            yield Fate(FateKind.COLD, f"{why}: only windows that start cold have it")
        elif kind == "feature":
            new = _new_in(name, kept, before, after)
            told = "its value follows from what is there"
            yield _fate(not new, why, told, f"it has no value in windows that began before ({', '.join(new)})")
        elif name not in kept:
            yield Fate(FateKind.COLD, f"{why}: it starts cold, the first ones told begin from now on")
        else:
            yield Fate(FateKind.KEPT, f"{why}: what is open in it goes on")
    same = [named for named in _in_both(before, after) if named not in changed]
    if same:
        yield Fate(FateKind.KEPT, f"as they were: {', '.join(same)}")


def _in_both(before: Layout, after: Layout) -> list[str]:
    """Windows and features of both."""
    windows = [f"window {name}" for name in before.windows if name in after.windows]
    return windows + [f"feature {name}" for name in before.features if name in after.features]


def _fate(kept: bool, why: str, then: str, otherwise: str) -> Fate:
    return Fate(FateKind.KEPT, f"{why}: {then}") if kept else Fate(FateKind.COLD, f"{why}: {otherwise}")


def _new_in(feature: str, kept: Iterable[str], before: Layout, after: Layout) -> list[str]:
    """The windows that go on and have this feature, but not all that it is computed from."""
    needs = set(after.features.get(feature, ()))
    return [
        window
        for window in kept
        if feature in dict(after.windows[window].features) and needs & before.unknown(window, after)
    ]


def _of_replaceable(saved: Shape, now: Shape, before: Layout | None, after: Layout | None) -> Iterator[Fate]:
    changed = changes(saved["replaceable"], now["replaceable"])
    for named, why in changed.items():
        if named in now["replaceable"]:
            yield Fate(FateKind.COLD, f"{why}: it starts cold")
        else:
            yield Fate(FateKind.DROPPED, f"{why}: its state is dropped")
    if before is None or after is None:
        return
    fits = before.kept_windows(after)
    had = saved.get("detectors") or now["detectors"]
    for name, windows in now["detectors"].items():
        named = f"detector {name}"
        if named in changed:
            continue
        chosen = now["replaceable"][named]["features"]
        cold = {w: _why_cold(w, chosen, had.get(name, ()), fits, after) for w in windows}
        for why in dict.fromkeys(filter(None, cold.values())):
            places = ", ".join(w for w, of in cold.items() if of == why)
            yield Fate(FateKind.COLD, f"{named} on {places}: {why}: it starts cold there")
        if kept := [w for w, of in cold.items() if not of]:
            yield Fate(FateKind.KEPT, f"{named} on {', '.join(kept)}: all that it has learned")


def _why_cold(window: str, chosen: str, had: Iterable[str], fits: Mapping[str, Any], after: Layout) -> str:
    """Empty for a detector that goes on in a window."""
    if window not in fits:
        return "the window is new"
    if window not in had:
        return "it was not there"
    names = () if chosen == "all" else tuple(chosen.split(", "))
    same = fits[window].inputs(names) == after.windows[window].inputs(names)
    return "" if same else "its features are others"
