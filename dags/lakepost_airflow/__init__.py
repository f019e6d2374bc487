"""What the DAG files share. Airflow puts the DAG folder on the import path of every component."""

__all__: list[str] = []
