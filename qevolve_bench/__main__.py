"""`python -m qevolve_bench` is `qevolve-bench`."""

import sys

from qevolve_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
