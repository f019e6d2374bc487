"""The verbs, written against the ports: land, curate, rebuild, replay, erase."""

from ingest.steps.curate import curate
from ingest.steps.current import derive
from ingest.steps.erase import erase
from ingest.steps.land import Landed, land, raw_rows
from ingest.steps.limits import Limits
from ingest.steps.rebuild import Rebuilt, rebuild
from ingest.steps.replaced import is_replaced
from ingest.steps.replay import replay
from ingest.steps.screen import screen_of

__all__ = [
    "Landed",
    "Limits",
    "Rebuilt",
    "curate",
    "derive",
    "erase",
    "is_replaced",
    "land",
    "raw_rows",
    "rebuild",
    "replay",
    "screen_of",
]
