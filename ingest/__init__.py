"""Lakepost: the events of a serving stack, into a data lake that analysts can trust."""

__all__: list[str] = []
