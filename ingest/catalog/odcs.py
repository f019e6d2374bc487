"""The Open Data Contract Standard's own rules, by the JSON schema that its Python package bundles.

The package's models are not imported: they cost half a second and accept misspelt keys. The schema
refuses those at every level but the gaps that `_tightened` closes.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema

from ingest.catalog.document import Document, Path, shown, suggestion
from ingest.errors import ContractError
from ingest.model.contract import LogicalType

__all__ = ["check"]

_EXTRA = frozenset({"additionalProperties", "unevaluatedProperties"})


def check(document: Document) -> None:
    """Hold the document against ODCS v3.

    Raises:
        ContractError: for the most specific violation: file, field, and what to write instead.
    """
    version = document.value.get("apiVersion")
    if not re.fullmatch(r"v3(\.\d+){2}", str(version)):
        problem = f"{shown(version)} is not version 3 of the Open Data Contract Standard"
        raise document.wrong(("apiVersion",), problem, remedy="write `apiVersion: v3.2.0`")
    errors = [leaf for error in _validator().iter_errors(document.value) for leaf in _leaves(error)]
    if errors:
        raise _worded(document, min(errors, key=_vagueness))


@functools.cache
def _validator() -> jsonschema.Draft201909Validator:
    text = importlib.resources.files("open_data_contract_standard").joinpath("schema.json").read_bytes()
    return jsonschema.Draft201909Validator(_tightened(json.loads(text)))


def _tightened(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without its gaps (in place).

    - `description` at the root takes any key.
    - Without `logicalType` the rules of every type apply at once.
    - Types that Lakepost has no column for, and servers that it does not read, are refused here already.
    - A property's base refuses unknown keys, and so does all that extends it: saying it once is the same
      and halves the work at each level of nesting.
    """
    schema["properties"]["description"]["additionalProperties"] = False
    base = schema["$defs"]["SchemaBaseProperty"]
    base["required"] = ["logicalType"]
    base["properties"]["logicalType"]["enum"] = [kind.value for kind in LogicalType if kind is not LogicalType.DECIMAL]
    schema["$defs"]["Server"]["properties"]["type"]["enum"] = ["custom"]
    for rule in base["allOf"]:
        if "if" in rule:
            rule["if"]["required"] = ["logicalType"]
    if all(schema["$defs"][name].get("unevaluatedProperties") is False for name in _EXTENDS_BASE):
        base.pop("unevaluatedProperties", None)
    return schema


_EXTENDS_BASE = ("SchemaProperty", "SchemaItemProperty")


def _leaves(error: jsonschema.ValidationError) -> Iterator[jsonschema.ValidationError]:
    """The errors below an `anyOf` or `oneOf` that say more than "fits none"."""
    meant = [child for child in error.context or () if child.validator != "type" or len(child.path) > 0]
    if not meant:
        yield error
    for child in meant:
        yield from _leaves(child)


def _vagueness(error: jsonschema.ValidationError) -> tuple[bool, bool, int, bool]:
    """A wrong type first, as the other rules follow from it; then deep errors; misspelt keys before missing ones.

    Last come extra keys that are known: they only lost their rule because of an error further down.
    """
    extra, unknown = error.validator in _EXTRA, bool(_unknown(error))
    other = not error.absolute_path or error.absolute_path[-1] != "logicalType"
    return extra and not unknown, other, -len(error.absolute_path), not (extra and unknown)


def _unknown(error: jsonschema.ValidationError) -> list[str]:
    """The keys of the instance that its schema names nowhere."""
    return sorted(set(error.instance) - _keys(error.schema)) if isinstance(error.instance, dict) else []


def _keys(rule: Any) -> frozenset[str]:
    """Every key that a schema node names, through references and conditions."""
    if not isinstance(rule, dict):
        return frozenset()
    found = frozenset(rule.get("properties", ()))
    if "$ref" in rule:
        target: Any = _validator().schema
        for step in rule["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        found |= _keys(target)
    nested = [rule.get("then"), *(part for word in ("allOf", "anyOf", "oneOf") for part in rule.get(word, ()))]
    return found.union(*(_keys(part) for part in nested))


def _worded(document: Document, error: jsonschema.ValidationError) -> ContractError:
    """The violation in this project's words."""
    path: Path = tuple(error.absolute_path)
    value: Any = error.instance
    wanted: Any = error.validator_value
    if error.validator in _EXTRA:
        unknown = _unknown(error)
        if not unknown:
            names = ", ".join(re.findall(r"'(\w+)'", error.message))
            return document.wrong(
                path, f"{names} does not belong here", remedy=f"remove {names}, or correct logicalType"
            )
        remedy = suggestion(unknown[0], sorted(_keys(error.schema)))
        return document.wrong((*path, unknown[0]), f"unknown key {shown(unknown[0])}", remedy=remedy)
    if error.validator == "required":
        missing = next(name for name in wanted if name not in value)
        return document.wrong((*path, missing), "missing", remedy=f"add `{missing}:`")
    if error.validator in {"enum", "const"}:
        choices = [str(choice) for choice in (wanted if error.validator == "enum" else [wanted])]
        remedy = _MEANT.get(str(value).lower()) or suggestion(value, choices)
        return document.wrong(path, f"{shown(value)} is not allowed", remedy=remedy)
    if error.validator == "type":
        quoted = wanted == "string" and isinstance(value, bool | int | float)
        remedy = f'put it in quotes: "{value}"' if quoted else f"write {_KINDS.get(str(wanted), str(wanted))}"
        return document.wrong(path, f"{shown(value)} is not of type {wanted}", remedy=remedy)
    about = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    return document.wrong(path, error.message[:200], remedy=about or f"see {error.validator}: {shown(wanted)}")


_KINDS = {
    "string": "text",
    "array": "a list (`- …` lines, or `[…]`)",
    "object": "a mapping (`key: value` lines)",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}

_MEANT = {
    "decimal": "write `logicalType: number` with `physicalType: decimal(12,2)`",
    "float": "write `number`",
    "double": "write `number`",
    "int": "write `integer`",
    "long": "write `integer`",
    "datetime": "write `timestamp`",
    "struct": "write `object`",
    "list": "write `array`",
    "map": "write `object` with the keys you know: others are kept in `_rescued`",
    "vector": "write `array` with `items: {logicalType: number}`",
    "rabbitmq": "write `custom`, and the queue in the server's custom property `binding`",
}
