"""Where deliveries come from. Each source implements `ports.Source`; none knows lake, envelope or decoding."""

__all__: list[str] = []
