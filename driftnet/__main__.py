"""`python -m driftnet` is `driftnet`."""

from flows.cli import main

if __name__ == "__main__":
    main()
