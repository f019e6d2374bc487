"""The local Cosmos, conditions: what is true, false and undefined of an item, as the service's language has it."""

from __future__ import annotations

from typing import Any

import pytest

from cosmos.errors import Refused
from cosmos.query import matches, parsed

ITEM: dict[str, Any] = {
    "id": "c1", "n": 5, "f": 2.5, "yes": True, "no": False, "nothing": None, "text": "it's", "deep": {"a b": {"c": 1}},
    "list": [1],
}  # fmt: skip


@pytest.mark.parametrize(
    "true",
    [
        "c.n = 5",
        "c.n = 5.0",
        "c.n != 4",
        "c.n <> 4",
        "c.n > 4 AND c.n >= 5 AND c.n < 6 AND c.n <= 5",
        "c.f = 2.5",
        "c.yes = true",
        "c.no = false",
        "c.nothing = null",
        "IS_NULL(c.nothing)",
        "NOT IS_NULL(c.n)",
        "c.n > -1",
        'c.text = "it\'s"',
        "c.text = 'it\\'s'",
        "c.text > 'a'",
        'c.deep["a b"].c = 1',
        "c['n'] = 5",
        "5 = c.n",
        "IS_DEFINED(c.n) and not is_defined(c.m)",
        "STARTSWITH(c.text, 'it')",
        "c.n IN (1, 5)",
        "NOT (c.n = 4)",
        "(c.n = 4 OR c.n = 5) AND c.id = 'c1'",
        "c.n = 4 OR c.m = 1 OR c.n = 5",
        "c.n = '5' OR c.n = 5",
        "NOT (c.m = 1 AND c.n = 4)",
    ],
)
def test_conditions_that_hold(true: str) -> None:
    assert matches(true, ITEM)
    assert matches(f"FROM x WHERE {true.replace('c.', 'x.').replace('c[', 'x[')}", ITEM) or "c." not in true


@pytest.mark.parametrize(
    "other",
    [
        "c.n = 4",
        "c.n = '5'",
        "c.n != '5'",
        "NOT (c.n = '5')",
        "c.nothing != 1",
        "c.yes != 1",
        "c.n = true",
        "c.yes = 1",
        "c.m = 1",
        "c.m != 1",
        "NOT (c.m = 1)",
        "c.n > 'a'",
        "NOT (c.n > 'a')",
        "c.m IN (1)",
        "NOT (c.m IN (1))",
        "c.deep.c = 1",
        "STARTSWITH(c.n, '5')",
        "c.nothing > 0",
        "c.m = 1 AND c.n = 5",
        "NOT (c.m = 1 AND c.n = 5)",
        "c.m = 1 OR c.n = 4",
        "IS_NULL(c.m)",
        "c.list = 1",
    ],
)
def test_conditions_that_do_not_hold_or_are_undefined(other: str) -> None:
    assert not matches(other, ITEM)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "SELECT",
        "SELECT *",
        "SELECT * FROM",
        "SELECT * FROM c WHERE",
        "SELECT * FROM c WHERE c.n",
        "SELECT * FROM c WHERE c.n =",
        "SELECT * FROM c WHERE (c.n = 1",
        "SELECT * FROM c WHERE c.n = 1 ORDER BY c.n",
        "SELECT DISTINCT c.n FROM c",
        "DELETE FROM c",
        "SELECT * FROM c WHERE c.list[0] = 1",
        "SELECT * FROM c WHERE d.n = 1",
        "SELECT * FROM c WHERE c.n = @missing",
        "SELECT c.n FROM d",
        "SELECT * FROM c WHERE c.n + 1 = 2",
        "SELECT * FROM c WHERE c.n = 'x",
        "SELECT VALUE COUNT(c.n) FROM c",
        "SELECT VALUE SUM(c.n) FROM c",
        "SELECT * FROM c OFFSET 1 LIMIT 1",
        "SELECT * FROM c WHERE c.n = '\\q'",
        "SELECT * FROM c; SELECT * FROM c",
        "SELECT * FROM c WHERE c.n BETWEEN 1 AND 2",
        "SELECT * FROM c WHERE c.n = 1 c.n = 2",
    ],
)
def test_what_is_not_served_is_refused_and_not_guessed_at(query: str) -> None:
    with pytest.raises(Refused) as refused:
        parsed({"query": query})
    assert refused.value.status == 400


def test_selections_show_what_was_asked_for() -> None:
    for text, shown in (
        ('SELECT c.n, c["deep"]["a b"] AS d, c.m FROM c', {"n": 5, "d": {"c": 1}}),
        ('SELECT c["id"] FROM c', {"id": "c1"}),
        ("SELECT VALUE x.id FROM customers AS x", "c1"),
        ("SELECT VALUE x FROM customers x", ITEM),
    ):
        query = parsed({"query": text})
        assert query.select is not None
        assert query.select(ITEM) == shown
