"""Run one verb against the real broker and die by SIGKILL at a named point.

usage: child.py VERB DATASET POINT NTH     (settings from the environment; POINT may be `none`)
       child.py erase KEY POINT NTH        (of orders)
"""

from __future__ import annotations

import sys

from ingest import api
from ingest.settings import load_settings
from tests.crash.dying import dying


def main() -> None:
    verb, dataset, point, nth = sys.argv[1:]
    reached = dying(point, int(nth))
    if verb == "land":
        api.land(load_settings(), dataset, reached=reached)
    elif verb == "erase":
        api.erase(load_settings(), "orders", dataset, reached=reached)
    else:
        api.curate(load_settings(), dataset, reached=reached)


if __name__ == "__main__":
    main()
