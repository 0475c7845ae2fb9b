"""`tidemask` that says how often the compiler was called.

Types that the tests check are not looked at here, as the compiler cannot see through that.
"""

from __future__ import annotations

import sys

from torch._dynamo.utils import counters

from tidemask.cli.app import main

if __name__ == "__main__":
    sys.argv[0] = "tidemask"
    try:
        main()
    finally:
        print("graphs", counters["stats"]["unique_graphs"])
