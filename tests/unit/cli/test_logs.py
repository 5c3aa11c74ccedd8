"""Logs: one handler for everybody, on standard error."""

import json
import logging

import pytest
import structlog

from flows.cli.logs import LogFormat, configure_logs


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
    configure_logs(LogFormat.TEXT, verbose=verbose)
    logging.getLogger("driftnet.x").debug("a detail")
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_context_of_structlog_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """What was bound to structlog's context appears in the records of ordinary loggers."""
    configure_logs(LogFormat.JSON)
    with structlog.contextvars.bound_contextvars(run_id="r1"):
        logging.getLogger("driftnet").info("hello")
    assert json.loads(capsys.readouterr().err)["run_id"] == "r1"
