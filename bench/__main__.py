"""`python -m bench` is `driftnet bench`."""

from bench.cli import main

if __name__ == "__main__":
    main()
