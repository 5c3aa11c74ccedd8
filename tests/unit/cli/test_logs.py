"""Logs: one handler for everybody, on standard error."""

import json
import logging
import threading

import pytest
import structlog

from flows import whereabouts
from flows.cli import main
from flows.cli.logs import LogFormat, LogLevel, configure_logs
from flows.engine.watch import FirstError, Reporting


@pytest.fixture(autouse=True)
def _root_logger_as_before():  # type: ignore[no-untyped-def]
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_logs_are_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON logs have level, logger, time and text; an exception is in the object, not on lines of its own."""
    configure_logs(LogFormat.JSON)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("driftnet.x").exception("failed %d times", 3)
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert (record["event"], record["level"], record["logger"]) == ("failed 3 times", "error", "driftnet.x")
    assert "ValueError: why" in record["exception"]
    assert "T" in record["timestamp"]


def test_text_logs_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Text logs hold the message and the logger, without colours where there is no terminal."""
    configure_logs(LogFormat.TEXT)
    logging.getLogger("driftnet.x").info("all well")
    text = capsys.readouterr().err
    assert "all well" in text
    assert "driftnet.x" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("verbose", "lines"), [(False, 0), (True, 1)])
def test_details_only_on_request(verbose: bool, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Debug records appear with --verbose."""
    configure_logs(LogFormat.TEXT, LogLevel.DEBUG if verbose else LogLevel.INFO)
    logging.getLogger("driftnet.x").debug("a detail")
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_context_of_structlog_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """What was bound to structlog's context appears in the records of ordinary loggers."""
    configure_logs(LogFormat.JSON)
    with structlog.contextvars.bound_contextvars(run_id="r1"):
        logging.getLogger("driftnet").info("hello")
    assert json.loads(capsys.readouterr().err)["run_id"] == "r1"


def test_where_it_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON logs have run, process and stage, as far as they are known; text for people has none of it."""
    told = {}
    for form in LogFormat:
        configure_logs(form)
        whereabouts.bind(run="r1", process=3)
        watch = Reporting("population", "population all", FirstError())
        with watch:
            logging.getLogger("driftnet.x").info("inside")
        logging.getLogger("driftnet.x").info("outside")
        told[form] = capsys.readouterr().err
        whereabouts.unbind()
    inside, outside = map(json.loads, told[LogFormat.JSON].splitlines())
    assert (inside["run"], inside["process"], inside["stage"]) == ("r1", 3, "population")
    assert (outside["run"], outside["process"]) == ("r1", 3)
    assert "stage" not in outside
    assert "r1" not in told[LogFormat.TEXT]


def test_each_thread_has_its_own_stage(capsys: pytest.CaptureFixture[str]) -> None:
    """What one worker is at says nothing of another."""
    configure_logs(LogFormat.JSON)
    other = threading.Thread(target=logging.getLogger("driftnet.x").info, args=("other",))
    with Reporting("sinks", "sinks main", FirstError()):
        other.start()
        other.join()
    assert "stage" not in json.loads(capsys.readouterr().err)


def test_an_error_is_said_by_its_stage(capsys: pytest.CaptureFixture[str]) -> None:
    """The report of what nobody planned has the stage in which it happened."""
    configure_logs(LogFormat.JSON)
    with pytest.raises(ZeroDivisionError), Reporting("subject", "subject 3", FirstError()):
        _ = 1 // 0
    assert json.loads(capsys.readouterr().err)["stage"] == "subject"


@pytest.mark.parametrize(
    ("environment", "options", "lines"),
    [
        ({}, (), ["info", "warning"]),
        ({"DRIFTNET_LOG_LEVEL": "warning"}, (), ["warning"]),
        ({"DRIFTNET_LOG_LEVEL": "error"}, ("--log-level", "debug"), ["debug", "info", "warning"]),
        ({"DRIFTNET_LOG_LEVEL": "error"}, ("-v",), ["debug", "info", "warning"]),
    ],
)
def test_level_and_format_by_environment_and_flag(
    environment: dict[str, str],
    options: tuple[str, ...],
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A flag goes before the environment."""
    for name, value in (environment | {"DRIFTNET_LOG_FORMAT": "json"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main([*options, "config", "show"])
    capsys.readouterr()
    for level in ("debug", "info", "warning"):
        logging.getLogger("driftnet.x").log(getattr(logging, level.upper()), "said")
    assert [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()] == lines
