"""Processes that begin with what takes seconds to import: for tests that kill many of them."""

from __future__ import annotations

import multiprocessing

__all__ = ["context"]

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["great_expectations", "tests.crash.hammer", "tests.crash.customers"])
