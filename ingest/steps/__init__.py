"""The verbs, written against the ports: land, curate, replay."""

from ingest.steps.curate import Limits, curate
from ingest.steps.land import Landed, land
from ingest.steps.replay import replay

__all__ = ["Landed", "Limits", "curate", "land", "replay"]
