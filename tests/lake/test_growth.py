"""What a table can become, and that contracts are told the same before they reach one."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest

from ingest.catalog.compatible import compare
from ingest.errors import SchemaMismatch
from ingest.lake.growth import Growth, conformed, growth
from ingest.model.change import Effect
from ingest.model.contract import Column, Contract
from ingest.model.tables import curated_schema
from tests.contracts import column, contract

SCALARS = (
    *(column("c", kind) for kind in ("string", "integer", "number", "boolean", "date", "timestamp")),
    *(column("c", "decimal", precision=p, scale=s) for p, s in ((12, 2), (13, 2), (13, 3), (18, 0), (19, 0), (22, 3))),
)
ONE, TWO = (column("x", "integer"),), (column("y", "string"), column("x", "integer"))
NESTED = (
    column("c", "object", children=ONE),
    column("c", "object", children=TWO),
    column("c", "object", children=(column("x", "number"),)),
    column("c", "array", items=column("element", "object", children=ONE)),
    column("c", "array", items=column("element", "object", children=TWO)),
    column("c", "array", items=column("element", "integer")),
    column("c", "array", items=column("element", "number")),
)
OTHER = column("o", "string")


def of(*columns: Column) -> Contract:
    return contract(columns)


def effect(old: Contract, new: Contract) -> Growth:
    """What `contracts check` says of two contracts, in a table's words."""
    found = compare(old, new)
    if not found:
        return Growth.SAME
    said = {Effect.IN_PLACE: Growth.ADDED, Effect.REBUILD: Growth.WIDENED, Effect.BREAKING: Growth.REFUSED}
    return max(said[change.effect] for change in found if change.what != "version")


@pytest.mark.parametrize("old", [*SCALARS, *NESTED], ids=lambda one: f"{one.type}{one.precision}{one.scale}")
def test_contracts_and_tables_are_told_the_same(old: Column) -> None:
    for new in [*SCALARS, *NESTED]:
        found = growth(curated_schema(of(old)), curated_schema(of(new)))
        assert found is effect(of(old), of(new)), (old, new)


def test_of_columns() -> None:
    one, both = of(OTHER), of(SCALARS[0], OTHER)
    for old, new in itertools.product((one, both), repeat=2):
        wanted = {(1, 2): Growth.ADDED, (2, 1): Growth.REFUSED}.get((len(old.columns), len(new.columns)), Growth.SAME)
        assert growth(curated_schema(old), curated_schema(new)) is wanted is effect(old, new)


def test_a_column_that_must_have_a_value_cannot_be_added() -> None:
    assert growth(pa.schema([]), pa.schema([pa.field("a", pa.int64(), nullable=False)])) is Growth.REFUSED
    must, may = (pa.schema([pa.field("a", pa.int64(), nullable=one)]) for one in (False, True))
    assert growth(must, may) is growth(may, must) is Growth.REFUSED


def test_rows_are_conformed_by_name_at_every_level() -> None:
    old = pa.table({"b": [1, 2], "o": [{"x": 1}, None], "l": [[{"x": 1}], []]})
    nested = pa.struct([("y", pa.string()), ("x", pa.float64())])
    new = pa.schema([("n", pa.string()), ("l", pa.list_(nested)), ("o", nested), ("b", pa.decimal128(19, 0))])
    assert growth(old.schema, new) is Growth.WIDENED
    rows = conformed(old, new)
    assert rows.schema == new
    assert rows.to_pylist() == [
        {"n": None, "l": [{"y": None, "x": 1.0}], "o": {"y": None, "x": 1.0}, "b": 1},
        {"n": None, "l": [], "o": None, "b": 2},
    ]


def test_an_integer_that_a_float_cannot_hold() -> None:
    rows, new = pa.table({"a": [2**53 + 1]}), pa.schema([("a", pa.float64())])
    with pytest.raises(SchemaMismatch, match=r"column a .* 9007199254740993"):
        conformed(rows, new)
    assert conformed(rows, new, exact=False).to_pylist() == [{"a": float(2**53)}]
