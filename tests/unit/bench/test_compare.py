"""`driftnet bench compare`, on a repository whose work has a cost that is counted, not timed."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cases import __file__ as cases_init
from bench.compare.child import Outcome
from bench.compare.measure import QUICK, Asked, compare
from bench.compare.verdict import Pair, Side, Verdict, table
from bench.results import BenchError, Case
from tests.unit.bench.conftest import Bench

_WORK = """
import pathlib

ticks = 0

def clock():
    return ticks / 1000

def cost(n):
    global ticks
    ticks += n
    return "done"

def steady():
    return cost(10)

def planted():
    return cost(10)

def improved():
    return cost(10)

def cheating():
    return cost(10)

def moody():
    return cost(10)
"""
_CHANGES = {
    "def planted():\n    return cost(10)": "def planted():\n    return cost(13)",
    "def improved():\n    return cost(10)": "def improved():\n    return cost(5)",
    "def cheating():\n    return cost(10)": "def cheating():\n    cost(5)\n    return 'half'",
    "def moody():\n    return cost(10)": (
        "first = not (mark := pathlib.Path(__file__).with_name('mark')).exists()\nmark.touch()\n\n"
        "def moody():\n    return cost(20 if first else 10)\n\ndef added():\n    return cost(1)"
    ),
}
_CASES = """
import pytest
from flows import work

@pytest.mark.benchmark(timer=work.clock)
@pytest.mark.parametrize("name", ["steady", "planted", "improved", "cheating", "moody", "added"])
def test_work(benchmark, name):
    result = benchmark.pedantic(getattr(work, name), rounds=2)
    benchmark.extra_info.update(kind="layer", layer="work", per="call", n=1, params={}, result=result)

def test_nothing_measured():
    raise AssertionError
"""
Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A repository with two commits, tagged `before` and `after`: one case for each thing that can happen."""
    root = tmp_path / "repository"
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.org")

    def run(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    for package in ("flows", "detectors", "state", "bench", "bench/cases"):
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").touch()
    (root / "flows" / "work.py").write_text(_WORK)
    run("init", "--quiet", "--initial-branch", "main")
    run("add", ".")
    run("commit", "--quiet", "--message", "before")
    run("tag", "before")
    text = _WORK
    for old, new in _CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    (root / "flows" / "work.py").write_text(text)
    # Only the second commit has the cases: both are measured with its bench folder.
    (root / "bench" / "cases" / "test_work.py").write_text(_CASES)
    run("add", ".")
    run("commit", "--quiet", "--message", "after")
    run("tag", "after")
    monkeypatch.chdir(root)
    return run


@pytest.fixture
def bench_here(bench: Bench, git: Git) -> Bench:
    """`driftnet bench` in that repository."""
    return bench


def _verdicts(out: str) -> dict[str, str]:
    rows = [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("| test_")]
    return {row[0].partition("[")[2].rstrip("]"): row[-1].strip("* ") for row in rows}


def test_what_changed_is_told_apart(bench_here: Bench, git: Git) -> None:
    """A planted slow-down is seen twice and ends with 1; a gain by doing less is none; a new case has no ratio."""
    done = bench_here("compare", "before", "after", "test_work", "--rounds", "2")
    assert done.code == 1, done.err
    found = _verdicts(done.out)
    assert "AttributeError" in found.pop("added")
    assert found == {
        "steady": "same",
        "planted": "slower",
        "improved": "faster",
        "cheating": "another result",
        "moody": "slower once, not again",
    }
    assert "[planted] | 10.0 ms | 13.0 ms | **1.30 ×** | 1.30 × | 0 % | **slower** |" in done.out
    assert "1 of 6 cases lose" in done.out
    assert "1 give another result than before" in done.out
    assert "[1/6]" in done.err
    assert git("worktree", "list").count("\n") == 0


def test_an_equal_pair_is_quiet(bench_here: Bench, git: Git) -> None:
    """A commit beside itself loses nothing and ends with 0."""
    done = bench_here("compare", "after", "after", "steady", "planted", "--rounds", "2")
    assert done.code == 0, done.err
    assert _verdicts(done.out) == {"steady": "same", "planted": "same"}
    assert git("worktree", "list").count("\n") == 0


def test_the_working_tree_can_be_the_second(bench_here: Bench, git: Git) -> None:
    """WORK is the code as it lies there, with what is not committed."""
    work = Path("flows/work.py")
    slower = work.read_text().replace("def steady():\n    return cost(10)", "def steady():\n    return cost(30)")
    work.write_text(slower)
    done = bench_here("compare", "after", "WORK", "steady", "--rounds", "1", "--json")
    assert done.code == 1
    assert '"verdict": "slower"' in done.out
    assert bench_here("compare", "WORK", "after", "steady").code == 2
    assert git("status", "--short", "--untracked-files=no") == "M flows/work.py"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("before", "nowhere"), "'nowhere': no such commit"),
        (("before", "--force"), "No such option"),
        (("before",), "Missing argument"),
        (("before", "after", "test_none"), "no case has 'test_none' in its id"),
    ],
)
def test_wrong_usage_ends_with_2(bench_here: Bench, git: Git, arguments: tuple[str, ...], words: str) -> None:
    """Unknown commits and cases, and pairs with nothing in common, are explained; nothing stays behind."""
    done = bench_here("compare", *arguments)
    assert done.code == 2
    assert words in done.err
    assert git("worktree", "list").count("\n") == 0


def test_outside_a_repository(bench: Bench) -> None:
    """Commits need a repository."""
    done = bench("compare", "a", "b")
    assert done.code == 2
    assert "not a git repository" in done.err


def test_other_code_than_the_commit_s_is_never_measured(bench_here: Bench, git: Git, tmp_path: Path) -> None:
    """If a case brings another copy of a package, the comparison stops instead of measuring that."""
    other = tmp_path / "other" / "state"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    Path("bench/cases/conftest.py").write_text(f"import sys\nsys.path.insert(0, {str(other.parent)!r})\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "elsewhere")
    done = bench_here("compare", "before", "HEAD", "steady")
    assert done.code == 2
    assert f"would measure other code than its own: {other}" in done.err


def test_an_installed_driftnet_lends_no_modules(bench_here: Bench, git: Git) -> None:
    """`detectors.ecod` is in the checkout that is installed here, and in neither commit."""
    Path("bench/cases/conftest.py").write_text("import detectors.ecod\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "borrowed")
    done = bench_here("compare", "before", "HEAD", "steady", "--rounds", "1")
    assert done.code == 2
    assert "No module named 'detectors.ecod'" in done.err


def test_a_commit_that_cannot_load_the_cases(bench_here: Bench, git: Git) -> None:
    """Where the first commit lacks what the cases import, all of them fail there; on the second that is an error."""
    Path("flows/new.py").touch()
    Path("bench/cases/conftest.py").write_text("import flows.new\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "new")
    first = bench_here("compare", "after", "HEAD", "steady", "--rounds", "1")
    assert first.code == 2
    assert "No module named 'flows.new'" in _verdicts(first.out)["steady"]
    assert "no case ran on both commits" in first.err
    git("rm", "--quiet", "flows/new.py")
    git("commit", "--quiet", "--message", "gone")
    second = bench_here("compare", "after", "HEAD", "steady")
    assert second.code == 2
    assert "No module named 'flows.new'" in second.err


def test_each_runs_its_own_cases(bench_here: Bench, git: Git) -> None:
    """Where the code is called otherwise than before, the first commit can run its own cases alone; ids match them."""
    for file in ("flows/work.py", "bench/cases/test_work.py"):
        text = Path(file).read_text().replace("clock", "watch").replace("return cost(13)", "return cost(26)")
        Path(file).write_text(
            text.replace('"steady", ', '"steady", "calm", ').replace(
                "def steady", "calm = lambda: cost(1)\n\ndef steady"
            )
        )
    git("commit", "--quiet", "--all", "--message", "otherwise")
    done = bench_here("compare", "after", "HEAD", "test_work", "--rounds", "1")
    assert done.code == 2
    assert "no case ran on both commits; --own-cases" in done.err
    done = bench_here("compare", "after", "HEAD", "test_work", "--rounds", "1", "--own-cases")
    assert done.code == 1, done.err
    found = _verdicts(done.out)
    assert found["calm"] == "fails on the first: no such case"
    assert (found["steady"], found["planted"]) == ("same", "slower")
    assert "each ran its own cases" in done.out
    assert git("worktree", "list").count("\n") == 0


def test_a_case_that_breaks_is_a_loss(bench_here: Bench, git: Git) -> None:
    """A case that fails on the second commit, or whose file cannot be imported there, ends with 1."""
    work = Path("flows/work.py")
    work.write_text(work.read_text().replace("def planted():", "def planted():\n    raise OSError('no disk')\n"))
    Path("bench/cases/test_torn.py").write_text("import flows.torn\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "broken")
    done = bench_here("compare", "after", "HEAD", "steady", "planted", "--rounds", "1")
    assert done.code == 1
    found = _verdicts(done.out)
    assert found["planted"] == "fails on the second: OSError: no disk"
    assert "test_torn.py" in done.out
    assert "No module named 'flows.torn'" in done.out


def test_nothing_stays_behind_when_it_is_ended(git: Git, tmp_path: Path) -> None:
    """SIGTERM in the middle: the worktrees are gone, and the handler of before is back."""
    before = signal.getsignal(signal.SIGTERM)
    seen: list[str] = []

    def end(line: str) -> None:
        seen.append(git("worktree", "list"))
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        compare(Asked("before", "after", ("steady",)), Path.cwd(), end)
    assert seen[0].count("\n") == 2
    assert git("worktree", "list").count("\n") == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_head_without_cases(bench_here: Bench, git: Git) -> None:
    """A second commit from before the suite cannot be compared."""
    git("rm", "--quiet", "-r", "bench")
    git("commit", "--quiet", "--message", "no bench")
    done = bench_here("compare", "after", "HEAD")
    assert done.code == 2
    assert "has no bench/cases" in done.err


def test_another_lock_is_told(bench_here: Bench, git: Git) -> None:
    """Both run with what is installed; when the commits pin other versions, the reader must know."""
    Path("requirements.lock").write_text("numpy==1.0\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "lock")
    assert "requirements.lock differs" in bench_here("compare", "after", "HEAD", "steady", "--rounds", "1").out


def _side(*cpu_s: float, result: str = "r", failed: str = "", skipped: str = "") -> Side:
    return Side(list(cpu_s), {result}, failed, skipped)


@pytest.mark.parametrize(
    ("base", "head", "again", "verdict"),
    [
        (_side(1.0), _side(1.19), None, Verdict.SAME),
        (_side(1.0, 9.0), _side(9.0, 1.0), None, Verdict.SAME),
        (_side(1.0), _side(1.21), (_side(1.0), _side(1.21)), Verdict.SLOWER),
        (_side(1.0), _side(1.21), (_side(1.0), _side(1.19)), Verdict.ONCE),
        (_side(1.0), _side(0.5), None, Verdict.FASTER),
        (_side(1.0), _side(0.5, result="s"), None, Verdict.OTHER_RESULT),
        (_side(1.0), _side(2.0, result="s"), (_side(1.0), _side(2.0)), Verdict.SLOWER_OTHER_RESULT),
        (_side(failed="x"), _side(1.0), None, Verdict.NEW),
        (_side(1.0), _side(failed="x"), None, Verdict.BROKEN),
        (_side(failed="x"), _side(failed="x"), None, Verdict.BROKEN),
        (_side(skipped="x"), _side(skipped="x"), None, Verdict.SKIPPED),
    ],
)
def test_verdicts(base: Side, head: Side, again: tuple[Side, Side] | None, verdict: Verdict) -> None:
    """The smallest times count; a loss must be seen twice; another result is never a gain; failures come first."""
    pair = Pair("case", base, head, Pair("case", *again) if again else None)
    assert pair.verdict(0.2) is verdict
    assert str(verdict) in table([pair], ("a", "b"), 0.2).markdown()


def test_a_result_that_changes_from_turn_to_turn() -> None:
    """A case that cannot reproduce its own result has another result, whichever commit that happens on."""
    head = Side()
    for result in ("r", "s"):
        head.add(Outcome(Case("c", "c", 1.0, 1.0, {"kind": "layer", "result": result})))
    assert Pair("c", _side(1.0), head).verdict(0.2) is Verdict.OTHER_RESULT


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ({"false alerts": 2, "missed": 1}, {"false alerts": 8, "missed": 1}, Verdict.OTHER_RESULT),
        ({"false alerts": 2, "missed": 1}, {"false alerts": 9, "missed": 1}, Verdict.WORSE),
        ({"false alerts": 0, "missed": 1}, {"false alerts": 0, "missed": 8}, Verdict.WORSE),
        ({"false alerts": 90, "missed": 9}, {"false alerts": 0, "missed": 0}, Verdict.OTHER_RESULT),
        ({}, {"false alerts": 90}, Verdict.OTHER_RESULT),
    ],
)
def test_more_mistakes_are_a_loss(before: dict[str, int], after: dict[str, int], verdict: Verdict) -> None:
    """A count that rises by more than two standard deviations of a difference of counts; fewer are no loss."""
    sides = [Side(), Side()]
    for side, found, result in zip(sides, (before, after), "ab", strict=True):
        info = {"kind": "verdicts", "cpu_s": 1.0, "result": result, "mistakes": found}
        side.add(Outcome(Case("c", "c", 60.0, 60.0, info)))
        assert side.cpu_s == [1.0]
    pair = Pair("case", *sides)
    assert pair.verdict(0.2) is verdict
    if verdict is Verdict.WORSE:
        (words,) = pair.worse
        assert words in table([pair], ("a", "b"), 0.2).markdown()


def test_scenarios_are_compared_by_the_whole_flow() -> None:
    """Of a scenario the smallest CPU time of the whole flow counts, not how long the case took."""
    side = Side()
    side.add(Outcome(Case("c", "c", 9.0, 9.0, {"kind": "scenario", "cpu_s": {"whole": [2.0, 1.5]}, "result": "r"})))
    assert side.cpu_s == [1.5]


def test_a_case_that_measures_nothing_has_failed() -> None:
    """No figures, no failure and no skip is a failure too."""
    side = Side()
    side.add(Outcome())
    assert not side.measured
    assert side.failed


def test_the_quick_choice_names_cases_that_exist() -> None:
    """Every name of the default set leads to a file, and to a function in it."""
    for name in QUICK:
        file, _, case = name.partition("::")
        text = Path(cases_init).with_name(file).read_text()
        assert f"def {case.partition('[')[0]}(" in text or not case


def test_unknown_commit_is_an_error_of_ours(git: Git) -> None:
    """A name that looks like an option is a name."""
    with pytest.raises(BenchError, match="no such commit"):
        compare(Asked("--all", "after"), Path.cwd(), print)
