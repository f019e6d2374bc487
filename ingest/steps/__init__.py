"""The verbs, written against the ports: land, curate."""

from ingest.steps.curate import Limits, curate
from ingest.steps.land import Landed, land

__all__ = ["Landed", "Limits", "curate", "land"]
