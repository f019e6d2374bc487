"""The verbs, written against the ports: land, curate, rebuild, replay, erase."""

from ingest.steps.curate import Limits, curate
from ingest.steps.erase import erase
from ingest.steps.land import Landed, land
from ingest.steps.rebuild import Rebuilt, rebuild
from ingest.steps.replay import replay
from ingest.steps.screen import screen_of

__all__ = ["Landed", "Limits", "Rebuilt", "curate", "erase", "land", "rebuild", "replay", "screen_of"]
