"""The page docs/capacity.md: every number is measured, a constant of the code, or worked out in a line of its own."""

from collections.abc import Callable, Sequence

from bench.capacity.inputs import Curve, Inputs, Profile
from bench.capacity.plan import (
    ACCOUNTS_PER_RATE,
    BUSY,
    EPOCH_S,
    FULL,
    GROUPS,
    PANE_S,
    POPULATION_BUSY,
    PROCESSES,
    RATES,
    SLOTS,
    Plan,
    plan,
)

TOLERANCE = 0.1
"""How far an exponent may lie above the expected one."""


def page(inputs: Inputs) -> str:
    """All of it, as Markdown."""
    parts = [_head(inputs), _answer(inputs), _measured(inputs)]
    parts += [_lines("One window", inputs, inputs.one_window), _lines("Shipped configuration", inputs, inputs.shipped)]
    parts += [_entities(inputs), _limits(), _growth(inputs)]
    return "\n\n".join(parts) + "\n"


def _head(inputs: Inputs) -> str:
    return f"""# Capacity

How many cores, how much memory and how much disk a stream needs, worked out line by line from measured figures.
This page is generated: `python -m bench.capacity measure` runs the growth cases of the bench suite (some ten minutes
on a quiet machine), keeps their figures in `bench/capacity/inputs.json` and writes the page;
`python -m bench.capacity` writes it from the figures that are there. Measured on {inputs.date}, commit
`{inputs.commit}`, {inputs.machine}. Another machine has other figures: measure on yours.

Two configurations. **One window** is the job of the bench suite: one tumbling window of 5 minutes, 12 features,
Half-Space Trees, drift, alerts. **Shipped** is what `driftnet run` does when nobody says otherwise: 5 minutes, an hour
every 5 minutes, 24 hours every hour, and sessions; 28 features, six detectors, three of them rules."""


def _answer(inputs: Inputs) -> str:
    rows = []
    for name, profile in (("one window", inputs.one_window), ("shipped", inputs.shipped)):
        for rate in RATES:
            p = plan(inputs, profile, rate)
            rows.append(
                [
                    name, f"{rate:,}", f"{p.accounts:,}", f"{p.cores:,}", f"{p.jobs} × {p.processes_per_job}",
                    _bytes(p.memory_bytes), _bytes(p.memory_per_process), _bytes(p.disk_bytes),
                    _bytes(p.written_bytes_per_s),
                ]
            )  # fmt: skip
    head = [
        "configuration",
        "events/s",
        "accounts",
        "cores",
        "jobs × processes",
        "memory",
        "per process",
        "disk",
        "written per s",
    ]
    largest = plan(inputs, inputs.shipped, RATES[-1])
    mean_share = ACCOUNTS_PER_RATE * inputs.shipped_events_per_account / 86_400
    return f"""## The answer

{_table(head, rows)}

- Events per second are those of the busiest hour. With {ACCOUNTS_PER_RATE} accounts for each of them, all active every
  day with {inputs.shipped_events_per_account:.0f} events as on the simulated platform, the busiest hour is
  {1 / mean_share:.1f} times the mean of the day.
- A core is planned to be {BUSY:.0%} busy. A process uses one core: Python's lock lets threads share it.
- A *job* is one Driftnet deployment with its own models, drift monitors and alert budget; several jobs divide the
  accounts between them by a hash of the id, outside Driftnet. Why there have to be several is said under
  [limits](#limits); each still learns from {largest.accounts // largest.jobs:,} accounts or more in the largest case.
- Nothing above two processes on one machine was measured. What lies beyond is arithmetic, shown below."""


def _measured(inputs: Inputs) -> str:
    one, shipped = inputs.one_window, inputs.shipped
    figures: list[tuple[str, Callable[[Profile], str]]] = [
        ("decoding, lateness, routing: CPU per event", lambda p: f"{p.decode_us:.2f} µs"),
        ("windows, features, own history: CPU per event", lambda p: f"{p.subject_us:.2f} µs"),
        ("window rows per event", lambda p: f"{p.rows_per_event:.2f}"),
        ("models, calibration, drift: CPU per window row", lambda p: f"{p.population_us:.2f} µs"),
        ("closing a pane: CPU per boundary and key group", lambda p: f"{p.boundary_us:,.0f} µs"),
        ("state per account", lambda p: f"{p.account_bytes:,.0f} B"),
        ("... as saved", lambda p: f"{p.account_snapshot_bytes:,.0f} B"),
        (
            "state per event in an open window, more",
            lambda p: f"{p.open_event_bytes:,.0f} B" if p.open_event_bytes else "in the line above",
        ),
        (
            "... as saved",
            lambda p: f"{p.open_event_snapshot_bytes:,.0f} B" if p.open_event_bytes else "in the line above",
        ),
        ("state of an account that is in no window any more", lambda p: f"{p.idle_bytes:,.0f} B"),
        ("written by checkpoints per event", lambda p: f"{p.checkpoint_bytes_per_event:,.0f} B"),
        ("**ceiling of one cohort**, its operator alone on a core: events per second", _ceiling),
    ]
    common = [
        ["CPU of two processes over that of one, the same events", f"{inputs.exchange:.2f} ×"],
        ["wall time of one process over that of two", f"{inputs.speed_up:.2f} ×"],
        ["growth of a process over the state in it", f"{inputs.resident:.2f} ×"],
        ["memory of a process before the first event", _bytes(inputs.process_bytes)],
        ["checkpoints: CPU per byte written", f"{inputs.checkpoint_s_per_gb:.1f} s per GB"],
        ["restoring: time per byte of saved state", f"{inputs.restore_s_per_gb:.1f} s per GB"],
        ["state directory on the disk, over saved state", f"{inputs.disk:.1f} ×"],
    ]
    return f"""## What was measured

{_table(["", "one window", "shipped"], [[name, show(one), show(shipped)] for name, show in figures])}

One window: 20,000 accounts with four events in each window; a million accounts for the bytes. Shipped: simulated days
of the platform, the difference between the two largest, so that what closing panes costs in both cancels out and has
its own line; an account's state is that of a whole day in the 24-hour window.

{_table(["both", ""], common)}"""


def _ceiling(p: Profile) -> str:
    return f"{1e6 / (p.rows_per_event * p.population_us):,.0f}"


def _entities(inputs: Inputs) -> str:
    once = [
        ("seen once, and silent since", inputs.silent_entity_bytes, inputs.silent_entity_snapshot_bytes),
        ("seen once, in the window that is open", inputs.active_entity_bytes, inputs.active_entity_snapshot_bytes),
    ]
    rows = [[what, f"{state:,.0f} B", f"{saved:,.0f} B"] for what, state, saved in once]
    return f"""## Entities

Addresses, devices, artists: further kinds of subjects ([subjects.md](subjects.md)) come on top of the above. Four of
them in the shipped configuration, with an hour's window each, whose values are lent to users, cost
{inputs.kind_in_loads:.1f} times the CPU of `orjson.loads` on the same lines, each. An entity holds, where users and
events are counted in a window of 5 minutes:

{_table(["an entity", "state", "as saved"], rows)}

Campaigns, which the shipped configuration looks for, come on top as well: a fifth to a third of the CPU of users, and
up to as much memory again ([campaigns.md](campaigns.md)). The figures of this page are of `campaigns = false`."""


def _lines(title: str, inputs: Inputs, profile: Profile) -> str:
    plans = [plan(inputs, profile, rate) for rate in RATES]
    p = profile
    stages = f"{p.decode_us:.2f} + {p.subject_us:.2f} µs"
    per_account = f"accounts × {p.account_bytes:,.0f} B"
    per_account_saved = f"accounts × {p.account_snapshot_bytes:,.0f} B"
    if p.open_event_bytes:
        per_account += f" + events/s × {PANE_S:.0f} s × {p.open_event_bytes:,.0f} B"
        per_account_saved += f" + events/s × {PANE_S:.0f} s × {p.open_event_snapshot_bytes:,.0f} B"
    lines: list[tuple[str, str, Callable[[Plan], str]]] = [
        ("a", f"accounts: events/s × {ACCOUNTS_PER_RATE}", lambda q: f"{q.accounts:,}"),
        ("b", f"decoding and subject stage, cores busy: events/s × ({stages})", lambda q: _cores(q.subject_cores)),
        ("c", f"window rows/s: events/s × {p.rows_per_event:.2f}", lambda q: f"{q.rows_per_s:,.0f}"),
        ("d", f"population stage, cores busy: c × {p.population_us:.2f} µs", lambda q: _cores(q.population_cores)),
        ("e", f"jobs, so that d is at most {POPULATION_BUSY:.2g} core in each", lambda q: str(q.jobs_for_population)),
        ("f", f"jobs, so that a fits: a / ({GROUPS} × {SLOTS:,} × {FULL})", lambda q: str(q.jobs_for_accounts)),
        ("g", f"jobs: the larger of e and f, more if a job needed over {PROCESSES} processes", lambda q: str(q.jobs)),
        (
            "h",
            f"exchange between P processes: 1 + {inputs.exchange - 1:.2f} × 2 (P - 1) / P, at least 1",
            lambda q: f"{q.exchange:.2f}",
        ),
        (
            "i",
            f"processes per job: the least P with h × ((b + t) / g / P + d / g) ≤ {BUSY}",
            lambda q: str(q.processes_per_job),
        ),
        ("j", "**cores**: g × i", lambda q: f"**{q.cores:,}**"),
        (
            "k",
            f"key groups per job: a power of two, at least 8, 4 i and a / g / ({SLOTS:,} × {FULL})",
            lambda q: str(q.groups_per_job),
        ),
        ("l", "accounts per key group: a / g / k", lambda q: f"{q.accounts_per_group:,.0f}"),
        (
            "m",
            f"closing panes, cores busy: g × k × {p.boundary_us:,.0f} µs / {PANE_S:.0f} s",
            lambda q: _cores(q.boundary_cores),
        ),
        ("n", "source partitions, keyed by account: at least one per process", lambda q: f"{q.cores:,}"),
        ("o", f"state: {per_account}", lambda q: _bytes(q.state_bytes)),
        ("p", f"saved state: {per_account_saved}", lambda q: _bytes(q.snapshot_bytes)),
        (
            "q",
            f"**memory**: o × {inputs.resident:.2f} + j × {_bytes(inputs.process_bytes)}",
            lambda q: f"**{_bytes(q.memory_bytes)}**",
        ),
        ("r", "memory per process: q / j", lambda q: _bytes(q.memory_per_process)),
        (
            "s",
            f"written by checkpoints: events/s × {p.checkpoint_bytes_per_event:,.0f} B",
            lambda q: f"{_bytes(q.written_bytes_per_s)}/s",
        ),
        ("t", f"... cores busy: s × {inputs.checkpoint_s_per_gb:.1f} s/GB", lambda q: _cores(q.checkpoint_cores)),
        (
            "u",
            f"pause per epoch, one key group: s × {EPOCH_S:.0f} s / g / k × {inputs.checkpoint_s_per_gb:.1f} s/GB",
            lambda q: _seconds(q.pause_s),
        ),
        (
            "v",
            f"restore after a restart, per process: p / j × {inputs.restore_s_per_gb:.1f} s/GB",
            lambda q: _seconds(q.restore_s),
        ),
        ("w", f"**disk**: p × {inputs.disk:.1f}", lambda q: f"**{_bytes(q.disk_bytes)}**"),
    ]
    rows = [[letter, what, *(show(q) for q in plans)] for letter, what, show in lines]
    half = [_bytes(q.accounts * (profile.account_bytes - profile.idle_bytes) / 2) for q in plans]
    less = (
        ""
        if profile.open_event_bytes
        else f"\n\nIf half of the accounts were silent for longer than a day, o would be {', '.join(half)} less."
    )
    return f"""## {title}, line by line

{_table(["", "events/s", *(f"{rate:,}" for rate in RATES)], rows)}{less}"""


def _limits() -> str:
    return f"""## Limits

What sets the number of jobs, and what to know before the numbers above are believed:

- **One cohort is one key.** All window rows of a cohort go through one population operator, on one core (line d):
  that is what makes its models, and so the alerts, independent of how the input was cut. `job.cohorts` divides the
  population by an enum column and this stage with it; the jobs above assume one cohort. The alert policy and the sinks
  are one operator per job; they see candidates only.
- **A key group holds {SLOTS:,} accounts** (slots are 20 bits, `state/slots.py`), and one pane that brings more ends the
  run with an error. `state.capacity` is per key group; beyond it the longest-silent leave.
- **{GROUPS} key groups spread evenly, over up to {PROCESSES} workers** (`flows/engine/names.py`). `job.key_groups`
  may be up to 4,096, and then one job could hold 4 billion accounts, but groups from number {GROUPS} on land on workers
  at random: of 64 workers with 16 groups on average, one gets some 26. Hence more jobs, not more groups.
- **`driftnet run --processes` is one machine.** One job on several machines (docs/deployment.md) needs a state
  directory that all of them see; it was tried with network namespaces, and its speed was not measured here.
- **A partition is read by one worker.** Of Kafka a source partition (line n) is one of the topic's. Events of one
  account must stay in one partition. The process that judges the cohort reads less than the others, or nothing; fewer
  partitions than processes leave decoding to some.
- **Long tumbling windows keep their rows.** A pane is as long as the greatest common divisor of the slides. With a
  single tumbling window of 24 hours that is 24 hours of rows in memory; a sliding one with a slide of 5 minutes keeps
  partial sums instead."""


def _growth(inputs: Inputs) -> str:
    rows = [_growth_row(curve) for curve in inputs.curves]
    head = ["what grows", "from", "to", "cost", "from", "to", "exponent", "upper half", "expected", ""]
    return f"""## Growth

Cost = factor × size ^ exponent, fitted to the logarithms over all points, and over the upper half of the range alone,
where fixed costs no longer hide growth: 0 is a cost that stays, 1 is linear. More than {TOLERANCE} above the expected
exponent in the upper half is a defect, and marked.

{_table(head, rows)}"""


def _growth_row(curve: Curve) -> list[str]:
    defect = curve.upper.exponent > curve.expect + TOLERANCE
    return [
        curve.name, _number(curve.x[0]), f"{_number(curve.x[-1])} {curve.axis}", curve.metric, _number(curve.y[0]),
        _number(curve.y[-1]), f"{curve.fit.exponent:.2f}", f"{curve.upper.exponent:.2f}", f"{curve.expect:g}",
        "**defect**" if defect else "",
    ]  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown: the first column left, numbers right."""
    rule = ["---", *("---" if cell == "" or cell == "cost" or "jobs" in cell else "---:" for cell in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _cores(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _bytes(value: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 1000 * size else f"{value / size:,.0f} {unit}"
    return f"{value / 1e3:.3g} kB"


def _seconds(value: float) -> str:
    if value >= 120:
        return f"{value / 60:.0f} min"
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
