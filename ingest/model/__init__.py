"""The vocabulary: frozen values and ports. Knows no other part of the package and does no I/O."""

__all__: list[str] = []
