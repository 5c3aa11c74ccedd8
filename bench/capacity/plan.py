"""The arithmetic: a rate of events and a number of accounts to cores, memory and state on disk."""

import math
from dataclasses import dataclass
from typing import Final

from bench.capacity.inputs import Inputs, Profile
from flows.engine.names import BALANCED
from state.slots import SLOT_BITS

RATES: Final = (1_000, 10_000, 100_000, 1_000_000)
"""Events per second in the busiest hour."""
ACCOUNTS_PER_RATE: Final = 700
"""Accounts for each event per second: 700 million at a million."""
BUSY: Final = 0.6
"""How busy a core may be: the rest is for a worse hour, catching up after a restart, and other machines' speed."""
FULL: Final = 0.8
"""How full a key group may be."""
POPULATION_BUSY: Final = BUSY / 2
"""How much of one core a job's population stage may take, so that its process still has room for key groups."""
PROCESSES: Final = 16
"""Key names spread evenly over up to so many workers (flows/engine/names.py)."""
GROUPS: Final = BALANCED
"""Key groups of a job whose names spread evenly."""
SLOTS: Final = 1 << SLOT_BITS
"""Accounts that one key group can hold."""
EPOCH_S: Final = 5.0
"""Time between checkpoints: the default of `driftnet run`."""
PANE_S: Final = 300.0
"""Time between pane boundaries, of both configurations."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one rate needs.  Of all jobs together, unless a name says otherwise; `*_cores` are cores kept busy."""

    rate: int
    accounts: int
    subject_cores: float
    rows_per_s: float
    population_cores: float
    jobs_for_population: int
    jobs_for_accounts: int
    jobs: int
    exchange: float
    processes_per_job: int
    cores: int
    groups_per_job: int
    accounts_per_group: float
    boundary_cores: float
    state_bytes: float
    snapshot_bytes: float
    memory_bytes: float
    written_bytes_per_s: float
    checkpoint_cores: float
    pause_s: float
    restore_s: float
    disk_bytes: float

    @property
    def memory_per_process(self) -> float:
        """Bytes."""
        return self.memory_bytes / self.cores


def plan(inputs: Inputs, profile: Profile, rate: int) -> Plan:
    """The smallest deployment of independent jobs that keeps every limit above."""
    accounts = rate * ACCOUNTS_PER_RATE
    subject = rate * (profile.decode_us + profile.subject_us) / 1e6
    rows_per_s = rate * profile.rows_per_event
    population = rows_per_s * profile.population_us / 1e6
    for_population = math.ceil(population / POPULATION_BUSY)
    for_accounts = math.ceil(accounts / (GROUPS * SLOTS * FULL))
    jobs = max(for_population, for_accounts, 1)
    written = rate * profile.checkpoint_bytes_per_event
    saving = written / 1e9 * inputs.checkpoint_s_per_gb
    while (processes := _processes(inputs, (subject + saving) / jobs, population / jobs)) > PROCESSES:
        jobs += 1
    cores = jobs * processes
    groups = _groups(accounts / jobs, processes)
    open_events = rate * PANE_S
    state = accounts * profile.account_bytes + open_events * profile.open_event_bytes
    snapshot = accounts * profile.account_snapshot_bytes + open_events * profile.open_event_snapshot_bytes
    return Plan(
        rate=rate,
        accounts=accounts,
        subject_cores=subject,
        rows_per_s=rows_per_s,
        population_cores=population,
        jobs_for_population=for_population,
        jobs_for_accounts=for_accounts,
        jobs=jobs,
        exchange=exchange(inputs, processes),
        processes_per_job=processes,
        cores=cores,
        groups_per_job=groups,
        accounts_per_group=accounts / jobs / groups,
        boundary_cores=jobs * groups * profile.boundary_us / 1e6 / PANE_S,
        state_bytes=state,
        snapshot_bytes=snapshot,
        memory_bytes=state * inputs.resident + cores * inputs.process_bytes,
        written_bytes_per_s=written,
        checkpoint_cores=saving,
        pause_s=written * EPOCH_S / (jobs * groups) / 1e9 * inputs.checkpoint_s_per_gb,
        restore_s=snapshot / cores / 1e9 * inputs.restore_s_per_gb,
        disk_bytes=snapshot * inputs.disk,
    )


def exchange(inputs: Inputs, processes: int) -> float:
    """How much more CPU a job takes in so many processes than in one.

    Of the messages between stages a share of (P - 1) / P goes to another process: half of them for the two that were
    measured.  Never below 1, whatever the noise.
    """
    return 1.0 + max(0.0, inputs.exchange - 1.0) * 2 * (processes - 1) / processes


def _processes(inputs: Inputs, subject: float, population: float) -> int:
    """Processes of a job, so that the one that also has the population stage is not too busy."""
    for processes in range(1, 10 * PROCESSES):
        if (subject * exchange(inputs, processes)) / processes + population * exchange(inputs, processes) <= BUSY:
            return processes
    return 10 * PROCESSES


def _groups(accounts: float, processes: int) -> int:
    """A power of two from 8: at least four for each process, none too full."""
    wanted = max(8, 4 * processes, accounts / (SLOTS * FULL))
    return int(min(GROUPS, 2 ** math.ceil(math.log2(wanted))))
