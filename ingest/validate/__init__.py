"""The expectation suite's judgement: a verdict for each row, and Great Expectations' report over all of them.

`mask` computes which rows break an expectation, by column; Great Expectations judges the same rows and writes
the report. A test holds the two against each other. Great Expectations is imported when it is first needed.
"""

from __future__ import annotations

from ingest.validate.suite import Suite

__all__ = ["Suite"]
