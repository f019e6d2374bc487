"""The verbs, written against the ports: land, curate, rebuild, replay."""

from ingest.steps.curate import Limits, curate
from ingest.steps.land import Landed, land
from ingest.steps.rebuild import Rebuilt, rebuild
from ingest.steps.replay import replay

__all__ = ["Landed", "Limits", "Rebuilt", "curate", "land", "rebuild", "replay"]
