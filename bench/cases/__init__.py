"""The measured cases: all of them pytest-benchmark's, each with a smoke size that runs with the tests."""
