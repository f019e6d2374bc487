"""`schema[0].properties` → columns. What Lakepost cannot hold a row to is refused, never skipped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ingest.catalog.custom import named
from ingest.catalog.document import Document, Path, shown, suggestion
from ingest.catalog.pattern import check_pattern
from ingest.model.contract import SYSTEM_COLUMNS, Column, LogicalType, Protection

__all__ = ["read_columns"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_WIDEST = 38
_READ = frozenset(
    [
        "name",
        "physicalName",
        "logicalType",
        "logicalTypeOptions",
        "physicalType",
        "required",
        "description",
        "classification",
        "customProperties",
    ]
)
_DOCUMENTARY = frozenset(
    [
        "id",
        "businessName",
        "synonyms",
        "authoritativeDefinitions",
        "tags",
        "examples",
        "criticalDataElement",
        "deprecated",
    ]
)
_IN_SUITE = {
    "enum": "write expect_column_values_to_be_in_set in suite.json",
    "quality": "write the rule as an expectation in suite.json",
    "unique": "write expect_column_unique_value_count_to_be_between in suite.json, or remove it",
}
_NUMERIC = {LogicalType.INTEGER, LogicalType.NUMBER, LogicalType.DECIMAL}
_OPTIONS: Mapping[LogicalType, tuple[str, ...]] = {
    LogicalType.STRING: ("minLength", "maxLength", "pattern"),
    LogicalType.TIMESTAMP: ("timezone", "defaultTimezone"),
    **dict.fromkeys(_NUMERIC, ("minimum", "maximum")),
}


def read_columns(document: Document) -> tuple[Column, ...]:
    """The columns of the one schema object of a document that ODCS's own schema accepts.

    Raises:
        ContractError: for names, types, options and rules that Lakepost cannot keep.
    """
    tables = document.value.get("schema") or []
    if len(tables) != 1:
        remedy = "describe one table; a second one is a second folder under schemas/"
        raise document.wrong(("schema",), f"{len(tables)} schema objects instead of one", remedy=remedy)
    path: Path = ("schema", 0)
    table = tables[0]
    if table["name"] != document.value.get("name"):
        remedy = f"write `name: {document.value.get('name')}`, as the contract is called"
        raise document.wrong((*path, "name"), f"{shown(table['name'])} is not the contract's name", remedy=remedy)
    for key in ("quality", "relationships"):
        if key in table:
            raise document.wrong((*path, key), "not supported", remedy=_IN_SUITE.get(key, f"remove `{key}`"))
    columns = _fields(document, path, table)
    for index, column in enumerate(columns):
        if column.name.casefold() in SYSTEM_COLUMNS:
            at = (*path, "properties", index, "name")
            remedy = f"choose another name and write `physicalName: {column.field}` for the payload's field"
            raise document.wrong(at, f"{column.name} is a column that Lakepost adds itself", remedy=remedy)
    return columns


def _fields(document: Document, path: Path, value: Mapping[str, Any]) -> tuple[Column, ...]:
    """The properties of the table or of an object; at least one, no two alike."""
    properties = value.get("properties") or []
    if not properties:
        remedy = "list the fields, each with name and logicalType"
        raise document.wrong((*path, "properties"), "no properties", remedy=remedy)
    columns = tuple(
        _column(document, (*path, "properties", index), item, nested=len(path) > 2)  # noqa: PLR2004 - schema[0]
        for index, item in enumerate(properties)
    )
    names: set[str] = set()
    fields: set[str] = set()
    for index, column in enumerate(columns):
        at = (*path, "properties", index)
        if column.name.casefold() in names:
            remedy = "rename one of the two; table columns do not differ by case alone"
            raise document.wrong((*at, "name"), f"duplicate name {shown(column.name)}", remedy=remedy)
        if column.field in fields:
            remedy = "read each field of the payload into one column"
            raise document.wrong((*at, "physicalName"), f"duplicate field {shown(column.field)}", remedy=remedy)
        names.add(column.name.casefold())
        fields.add(column.field)
    return columns


def _column(document: Document, path: Path, value: Mapping[str, Any], *, nested: bool) -> Column:
    """One property. `nested` ones (fields of objects, elements of arrays) carry types but no rules."""
    name = value.get("name", "element")
    if not _NAME.fullmatch(name):
        remedy = "use letters, digits and `_`, beginning with a letter; the payload's own spelling goes to physicalName"
        raise document.wrong((*path, "name"), f"{shown(name)} is not a column name", remedy=remedy)
    kind, digits = _type(document, path, value)
    inner = {"object": ("properties",), "array": ("items",)}.get(kind.value, ())
    _supported(document, path, value, {*_READ, *_DOCUMENTARY, *inner})
    options = value.get("logicalTypeOptions", {})
    rules = _rules(document, (*path, "logicalTypeOptions"), kind, options)
    if nested:
        _without_rules(document, path, value, options)
    if kind is LogicalType.ARRAY and "items" not in value:
        raise document.wrong((*path, "items"), "missing", remedy="add `items:` with the elements' logicalType")
    return Column(
        name=name,
        field=value.get("physicalName") or name,
        type=kind,
        required=value.get("required", False),
        description=" ".join(value.get("description", "").split()),
        classification=value.get("classification"),
        protection=_protection(document, path, kind, nested=nested),
        children=_fields(document, path, value) if kind is LogicalType.OBJECT else (),
        items=_column(document, (*path, "items"), value["items"], nested=True) if kind is LogicalType.ARRAY else None,
        **digits,
        **rules,
    )


def _protection(document: Document, path: Path, kind: LogicalType, *, nested: bool) -> Protection | None:
    """How the column reaches curated, by its custom property `protect`."""
    given = named(document, (*path, "customProperties"), ("protect",))
    if "protect" not in given:
        return None
    at, value = given["protect"]
    if nested:
        remedy = "move it to the column of the table that the field is in, or send the field as a column of its own"
        raise document.wrong(at, "not supported for a nested field", remedy=remedy)
    if value not in tuple(Protection):
        raise document.wrong(at, f"{shown(value)} is not supported", remedy=suggestion(value, tuple(Protection)))
    if value == Protection.HASH and kind in {LogicalType.OBJECT, LogicalType.ARRAY}:
        raise document.wrong(at, f"a column of type {kind} has no text to hash", remedy="write `drop`")
    return Protection(value)


def _type(document: Document, path: Path, value: Mapping[str, Any]) -> tuple[LogicalType, dict[str, Any]]:
    """Logical type, and for decimals precision and scale as fields of `Column`."""
    kind, physical = LogicalType(value["logicalType"]), value.get("physicalType")
    at = (*path, "physicalType")
    if physical is None or (kind is LogicalType.NUMBER and physical == "double"):
        return kind, {}
    if kind is not LogicalType.NUMBER:
        remedy = "remove it: the table's type follows from logicalType"
        raise document.wrong(at, f"{shown(physical)} is not supported for logicalType {kind}", remedy=remedy)
    match = _DECIMAL.fullmatch(physical)
    if not match:
        raise document.wrong(at, f"{shown(physical)} is not supported", remedy="write `decimal(12,2)` or `double`")
    precision, scale = int(match[1]), int(match[2])
    if not (1 <= precision <= _WIDEST and scale <= precision):
        remedy = f"write decimal(p,s) with p from 1 to {_WIDEST} and s from 0 to p"
        raise document.wrong(at, f"{shown(physical)} is out of range", remedy=remedy)
    return LogicalType.DECIMAL, {"precision": precision, "scale": scale}


def _supported(document: Document, path: Path, value: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse what ODCS allows here and Lakepost would not act on."""
    for key in value:
        if key not in keys:
            remedy = _IN_SUITE.get(key, f"remove `{key}`: nothing would act on it")
            raise document.wrong((*path, key), "not supported", remedy=remedy)


def _without_rules(document: Document, path: Path, value: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    remedy = "remove it: only columns of the table itself can have rules"
    if value.get("required"):
        raise document.wrong((*path, "required"), "not supported for a nested field", remedy=remedy)
    for key in options:
        if key not in _OPTIONS[LogicalType.TIMESTAMP]:
            at = (*path, "logicalTypeOptions", key)
            raise document.wrong(at, "not supported for a nested field", remedy=remedy)


def _rules(document: Document, path: Path, kind: LogicalType, options: Mapping[str, Any]) -> dict[str, Any]:
    """`logicalTypeOptions` as fields of `Column`."""
    known = _OPTIONS.get(kind, ())
    for key in options:
        if key not in known:
            near = suggestion(key, known) if known else f"remove it: logicalType {kind} has no options here"
            raise document.wrong((*path, key), f"not supported for logicalType {kind}", remedy=near)
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength")):
        if low in options and high in options and options[low] > options[high]:
            raise document.wrong((*path, low), f"{options[low]} is above {high}", remedy="swap the two")
    if kind is LogicalType.TIMESTAMP:
        return {"assume_utc": _assumes_utc(document, path, options)}
    if kind in _NUMERIC:
        for key, bound in options.items():
            if not math.isfinite(bound):
                raise document.wrong((*path, key), f"{bound} is not finite", remedy=f"leave {key} out")
        return {key: options[key] for key in known if key in options}
    if "pattern" in options:
        check_pattern(document, (*path, "pattern"), options["pattern"])
    names = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
    return {names[key]: value for key, value in options.items()}


def _assumes_utc(document: Document, path: Path, options: Mapping[str, Any]) -> bool:
    """True where the contract says that timestamps name no zone and are UTC."""
    naive = options.get("timezone") is False
    if "defaultTimezone" in options and not naive:
        remedy = "add `timezone: false` if the values name no zone, or remove defaultTimezone"
        raise document.wrong((*path, "defaultTimezone"), "without effect", remedy=remedy)
    if options.get("defaultTimezone", "UTC") not in {"UTC", "Etc/UTC"}:
        problem = f"{shown(options['defaultTimezone'])} is not supported"
        raise document.wrong((*path, "defaultTimezone"), problem, remedy="write `Etc/UTC`; only UTC is assumed")
    return naive
