"""Driving an Airflow by its REST API: start runs, wait for them, read what they left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx

__all__ = ["AirflowApi", "AirflowRefused", "OnChange", "named"]

FINISHED = frozenset({"success", "failed"})
_POLL_SECONDS = 0.3

OnChange = Callable[[Mapping[str, str]], None]
"""Called with task → state, as `task_states` has them, whenever a task of the awaited run changed its state."""


class AirflowRefused(RuntimeError):
    """The API answered with an error, or the DAG is not there; the message says which and why."""


class AirflowApi:
    """The public REST API (v2) at `url`, as the admin that a local Airflow takes everybody for."""

    def __init__(self, url: str) -> None:
        self.url = url
        # Without `trust_env`: a proxy of the environment must not get requests for this machine.
        self._http = httpx.Client(base_url=f"{url}/api/v2", timeout=90.0, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def health(self) -> dict[str, Any]:
        """Status and latest heartbeat by component; empty while nobody answers."""
        try:
            answer = self._http.get("/monitor/health", timeout=5.0)
        except httpx.TransportError:
            return {}
        return dict(answer.json()) if answer.is_success else {}

    def unpause(self, dag_id: str, *, deadline: float = 60.0) -> None:
        """Let the DAG run, waiting up to `deadline` seconds until its file was parsed.

        Raises:
            AirflowRefused: it did not appear; the message holds the import errors.
        """
        until = time.monotonic() + deadline
        while True:
            answer = self._http.patch(f"/dags/{dag_id}", json={"is_paused": False})
            if answer.is_success:
                return
            if answer.status_code != httpx.codes.NOT_FOUND or time.monotonic() > until:
                raise AirflowRefused(f"DAG {dag_id} cannot be unpaused: {answer.text}{self._import_errors()}")
            time.sleep(_POLL_SECONDS)

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None, partition_key: str | None = None) -> str:
        """Start a run now with `conf` as its params; returns the run's id."""
        body = {"logical_date": None, "conf": dict(conf or {}), "partition_key": partition_key}
        return str(self._ask("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def backfill(self, dag_id: str, first: str, last: str, *, max_active_runs: int = 10) -> int:
        """Start a backfill over the dates `first` to `last` (ISO, both included); returns its id."""
        dates = {"from_date": f"{first}T00:00:00Z", "to_date": f"{last}T00:00:00Z"}
        body = {"dag_id": dag_id, **dates, "max_active_runs": max_active_runs, "reprocess_behavior": "completed"}
        return int(self._ask("POST", "/backfills", json=body)["id"])

    def wait_backfill(self, backfill: int, deadline: float) -> None:
        """Wait up to `deadline` seconds until all its runs are over.

        Raises:
            TimeoutError: they are not.
        """
        until = time.monotonic() + deadline
        while self._ask("GET", f"/backfills/{backfill}")["completed_at"] is None:
            if time.monotonic() > until:
                raise TimeoutError(f"backfill {backfill} is not over after {deadline:.0f} s")
            time.sleep(_POLL_SECONDS)

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG's runs (`dag_run_id`, `run_type`, `state`, `partition_key`, …), oldest first."""
        found = self._ask("GET", f"/dags/{dag_id}/dagRuns", params={"order_by": "run_after", "limit": 100})
        return list(found["dag_runs"])

    def wait_for_run(self, dag_id: str, run_type: str, deadline: float) -> str:
        """Wait up to `deadline` seconds for a run of that type (`scheduled`, `asset_triggered`); returns its id.

        Raises:
            TimeoutError: there is none; the message has those there are.
        """
        until = time.monotonic() + deadline
        while True:
            runs = self.runs(dag_id)
            if found := next((run for run in runs if run["run_type"] == run_type), None):
                return str(found["dag_run_id"])
            if time.monotonic() > until:
                raise TimeoutError(f"no {run_type} run of {dag_id} after {deadline:.0f} s: {runs}")
            time.sleep(_POLL_SECONDS)

    def wait(self, dag_id: str, run_id: str, deadline: float, *, on_change: OnChange | None = None) -> str:
        """Wait up to `deadline` seconds until the run is over; returns `success` or `failed`.

        Raises:
            TimeoutError: it is not over; the message says what each task is doing.
        """
        until = time.monotonic() + deadline
        seen: dict[str, str] = {}
        while True:
            state = self._ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
            tasks = self.task_states(dag_id, run_id)
            if tasks != seen and on_change is not None:
                on_change(tasks)
            seen = tasks
            if state in FINISHED:
                return str(state)
            if time.monotonic() > until:
                raise TimeoutError(f"run {run_id} of {dag_id} is {state} after {deadline:.0f} s: {tasks}")
            time.sleep(_POLL_SECONDS)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The run's task instances (`task_id`, `map_index`, `state`, `try_number`, `start_date`, `duration`, …)."""
        return list(self._ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Task → state, of a mapped task each instance as `task[0]`; `none`: the scheduler has not looked at it yet."""
        return {named(task): task["state"] or "none" for task in self.task_instances(dag_id, run_id)}

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, *, map_index: int = -1) -> str:
        """The log of one try as text, one event a line, errors with their class and message."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        params = {"full_content": True, "map_index": map_index}
        answer = self._ask("GET", path, params=params, headers={"Accept": "application/json"})
        return "\n".join(_line(entry) for entry in answer["content"])

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1
    ) -> Any:  # fmt: skip
        """What the task, or that instance of a mapped one, returned (or pushed under `key`)."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self._ask("GET", path, params={"map_index": map_index})["value"]

    def asset_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The asset events that the run published (`name`, `uri`, `partition_key`, `extra`, …)."""
        params = {"source_dag_id": dag_id, "source_run_id": run_id, "limit": 1000}
        return list(self._ask("GET", "/assets/events", params=params)["asset_events"])

    def _import_errors(self) -> str:
        answer = self._http.get("/importErrors")
        errors = answer.json().get("import_errors", []) if answer.is_success else []
        return "".join(f"\n{error['filename']}: {error['stack_trace']}" for error in errors)

    def _ask(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        answer = self._http.request(method, path, **arguments)
        if not answer.is_success:
            raise AirflowRefused(f"{method} {path}: {answer.status_code} {answer.text}")
        return dict(answer.json())


def named(task: Mapping[str, Any]) -> str:
    """The task's id; of an instance of a mapped one with its place: `land[0]`."""
    return str(task["task_id"]) if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def _line(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    known = {"timestamp", "event", "level", "logger", "filename", "lineno", "error_detail"}
    more = "".join(f" {key}={value}" for key, value in entry.items() if key not in known)
    errors = "".join(f"\n{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or [])
    return f"{entry.get('timestamp', '')} {entry.get('level', '')} {entry['event']}{more}{errors}"
