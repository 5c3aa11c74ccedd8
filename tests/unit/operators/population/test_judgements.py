"""One stream, two judgements: what each says of the rows does not depend on who else judges them."""

from typing import Any, cast

from flows.config.load import loads
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver
from flows.job import Job
from flows.operators.alerts.operator import AlertOperator
from flows.operators.messages import CohortInput, Output, PolicyInput
from flows.operators.population.operator import PopulationOperator
from flows.sinks.base import Record
from flows.sinks.memory import MemoryWriter
from flows.steps import Step
from flows.streams import Stream
from tests.small import BASE

CONFIG = BASE + 'users = 600\nduration = "2h"\ncampaigns = ["loop_bot"]\n[calibration]\nready = 64\n'
TREES = 'trees = { type = "half_space_trees", params = { window_size = 64, n_trees = 20 } }'
OTHER = CONFIG.replace('extremes = { type = "ecod", params = { ready = 8 } }', TREES)
OTHER = OTHER.replace("line = 0.3", "line = 0.2") + "remember = 4096\n"


class Overheard:
    """A population operator, and what came in."""

    def __init__(self, operator: PopulationOperator) -> None:
        self._operator = operator
        self.messages: list[CohortInput] = []

    def process(self, message: CohortInput) -> Any:
        self.messages.append(message)
        return self._operator.process(message)


def run(job: Job, config: str) -> tuple[list[Record], list[CohortInput]]:
    """The alerts of a job by itself, and what its only cohort was told."""
    kept = MemoryWriter()
    partitions = Assembly(loads(config)).partitions()
    driver = LocalDriver(job, partitions, {Stream.ALERTS: [kept]})
    at = (Step.POPULATION.value, "all")
    heard = Overheard(cast("PopulationOperator", driver.operators[at]))
    driver.operators[at] = cast("Any", heard)
    driver.run()
    return kept.records, heard.messages


def judged(job: Job, rows: list[CohortInput]) -> list[Record]:
    """The alerts of a job's judgement, of rows that somebody else's subject stage has made."""
    of = job.judgement
    population = PopulationOperator(of, job.stream.rows, "all")
    policy = AlertOperator(of, (window.name for window in job.stream.rows.windows))
    told = [out for message in rows for out in population.process(message)]
    found = [out for message in told if isinstance(message, PolicyInput) for out in policy.process(message)]
    return [r for out in found if isinstance(out, Output) and out.stream is Stream.ALERTS for r in out.records]


def test_a_second_judgement_says_what_it_says_alone() -> None:
    """Other detectors, another calibration and another line, on the rows of the first one's run: the same records as
    in a run of its own, to the bit, and others than the first one's.
    """
    acting, challenger = loads(CONFIG).job(), loads(OTHER).job()
    assert acting.stream == challenger.stream
    assert acting.digest != challenger.digest
    alerts, rows = run(acting, CONFIG)
    alone, _ = run(challenger, OTHER)
    assert alerts
    assert alone
    assert judged(challenger, rows) == alone
    assert judged(acting, rows) == alerts
    assert {a["subject"] for a in alone} != {a["subject"] for a in alerts}


def test_what_a_judgement_asks_for() -> None:
    """The column that cohorts go by, and detectors of a subject's own past: others are no matter of the stream's."""
    history = '[detectors]\nhistory = { type = "history_baseline" }\n'
    job = loads(
        CONFIG.replace("[detectors]\n", history).replace("[job]\n", '[job]\ncohorts = { column = "type" }\n', 1)
    )
    audience = job.job().judgement.audience
    assert (audience.columns, audience.cohorts.names) == ({"type"}, ("play", "skip", "other"))
    assert [use.name for use in audience.own] == ["history"]
    assert loads(CONFIG).job().judgement.audience.columns == frozenset()
