"""An S3 server of its own for all tests here, with a bucket for each."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.objects.running import S3, Bucket

_numbers = count()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    server = S3()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Empty; the environment says where it is."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    made = Bucket(f"bucket-{next(_numbers)}")
    s3.make(made.name)
    yield made
    s3.start()
