"""`python -m tidemask`: the command line."""

from tidemask.cli.app import main

if __name__ == "__main__":
    main()
