"""Warnings switched off for a while, in a process with threads.

Python's warning filters belong to the whole process: who leaves puts back what stood there when it came. So nobody
comes or leaves while another one does, and what is `short` lets nobody come or leave meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

__all__ = ["silence"]

_SWITCHING = threading.Lock()


@contextlib.contextmanager
def silence(category: type[Warning] = Warning, *, short: bool = False) -> Iterator[None]:
    """Ignore warnings of the category. At most one thread at a time is in one that is not `short`."""
    with contextlib.ExitStack() as switching:
        switching.enter_context(_SWITCHING)
        off = warnings.catch_warnings()
        off.__enter__()
        try:
            warnings.simplefilter("ignore", category)
            if not short:
                switching.close()
            yield
        finally:
            if not short:
                switching.enter_context(_SWITCHING)
            off.__exit__(None, None, None)
