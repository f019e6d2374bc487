"""Raw rows to typed rows: the payload out of its envelope, then into the contract's columns. A `ports.Decode`."""

from ingest.decode import decode as decode_bodies
from ingest.envelope import Opening

__all__ = ["decode"]

decode = Opening(decode_bodies)
