"""Airflow DAG file: `ingest__`, `rebuild__`, `replay__<dataset>` for every folder under schemas; `maintain__lake`.

Adding a dataset is adding a folder there; this file does not change.
"""

from __future__ import annotations

import os
from pathlib import Path

from lakepost_airflow.ingest_dag import ingest_dags
from lakepost_airflow.maintain_dag import maintain_dag
from lakepost_airflow.per_dataset import per_dataset
from lakepost_airflow.rebuild_dag import rebuild_dag
from lakepost_airflow.replay_dag import replay_dag

# `ingest.settings` reads the environment everywhere else; it is too heavy for every parse of this file.
_GIVEN = os.environ.get("LAKEPOST_SCHEMAS_DIR")  # noqa: TID251
SCHEMAS_DIR = Path(_GIVEN) if _GIVEN else Path(__file__).resolve().parent.parent / "schemas"

globals().update(ingest_dags(SCHEMAS_DIR))
globals().update(per_dataset(SCHEMAS_DIR, rebuild_dag))
globals().update(per_dataset(SCHEMAS_DIR, replay_dag))
globals()["maintain__lake"] = maintain_dag(SCHEMAS_DIR)
