"""`[campaigns]`: what is taken, and what is refused, with the reason."""

import re
from typing import Final

import pytest

from flows.config import loads
from state.errors import ConfigError

SECTION: Final = '[campaigns]\nobjects = ["track", "ip"]\nparents = { track = "artist" }\nwhere = { type = "play" }\n'


def test_what_a_job_has_of_it() -> None:
    """Columns, parents, conditions; the same when it is written out and read again."""
    config = loads(SECTION)
    campaigns = config.job().campaigns
    assert campaigns is not None
    assert campaigns.objects == (("track", "artist"), ("ip", ""))
    assert campaigns.columns == {"track", "ip", "artist", "type"}
    assert loads(config.to_toml()).job().campaigns == campaigns
    assert loads("campaigns = false").job().campaigns is None


def test_other_objects_are_another_section() -> None:
    """Nothing of what is shipped about tracks holds for addresses; single keys are changed one by one."""
    other = loads('[campaigns]\nobjects = ["ip"]').job().campaigns
    assert other is not None
    assert (other.objects, other.where) == ((("ip", ""),), ())
    stricter = loads("[campaigns]\np = 1e-9").job().campaigns
    assert stricter is not None
    assert stricter.where
    assert stricter.objects == (("track", "artist"),)


def test_digests_tell_campaigns() -> None:
    """A job's tells every setting; the evidence's those that coincidences depend on."""
    plain, stricter, wider = (loads(SECTION + text).job() for text in ("", "p = 1e-9\n", 'bucket = "1h"\n'))
    assert len({job.digest for job in (plain, stricter, wider, loads("campaigns = false").job())}) == 4
    assert plain.campaigns is not None
    assert stricter.campaigns is not None
    assert wider.campaigns is not None
    assert plain.campaigns.meaning == stricter.campaigns.meaning != wider.campaigns.meaning


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[campaigns]\nobjects = ["trakc"]', "campaigns.objects.0: seen 'trakc', allowed: a column of kind id"),
        ('[campaigns]\nobjects = ["plan"]', "campaigns.objects.0: seen 'plan', allowed: a column of kind id"),
        ('[campaigns]\nobjects = ["ip", "ip"]', "campaigns.objects.1: seen 'ip', allowed: each column once"),
        (
            '[campaigns]\nobjects = ["ip"]\nparents = { track = "artist" }',
            "campaigns.parents.track: seen 'track', allowed: one of campaigns.objects",
        ),
        (
            '[campaigns]\nobjects = ["track"]\nparents = { track = "plan" }',
            "campaigns.parents.track: seen 'plan', allowed: a column of kind id",
        ),
        ('[campaigns]\nobjects = ["track"]\nlinks = 0', "campaigns.links is 0; it must lie between 1 and 1000"),
        (
            '[campaigns]\nobjects = ["track"]\nbucket = "32m"\nreview = "64m"',
            "campaigns.bucket: seen '32m', allowed: a",
        ),
        ('[event]\nkind = "ip"\n[campaigns]\nobjects = ["track"]', "event.kind: seen 'ip'"),
        (
            '[event]\nkind = "campaign"\n[campaigns]\nobjects = ["track"]',
            "event.kind: seen 'campaign', allowed: another",
        ),
        (
            '[subjects.campaign]\nkey = "context"\n[campaigns]\nobjects = ["track"]',
            "subjects.campaign: seen 'campaign', allowed: another name",
        ),
        ("[campaigns]\nobjects = []", "campaigns.objects"),
    ],
)
def test_mistakes(text: str, why: str) -> None:
    """Each names its key, what was seen, and what is allowed."""
    with pytest.raises(ConfigError, match=re.escape(why)):
        loads(text).job()
