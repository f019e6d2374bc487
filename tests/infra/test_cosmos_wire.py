"""The local Cosmos on the wire, without an SDK: signatures, dates, resource ids, refusals, and TLS with tokens."""

from __future__ import annotations

import hmac
import itertools
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest
from azure.core.credentials import AccessToken
from azure.cosmos import ContainerProxy, CosmosClient, documents
from azure.cosmos.exceptions import CosmosHttpResponseError

from cosmos import Local
from tests.certificates import Authority
from tests.infra.cosmos_client import fresh, names


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Wire:
    """A client that signs what it is told to."""

    def __init__(self, account: Local) -> None:
        self._account = account

    def ask(
        self, verb: str, path: str, *, kind: str, link: str, body: Any = None, when: float | None = None, **headers: Any
    ) -> Answer:
        date = formatdate(when, usegmt=True)
        payload = f"{verb.lower()}\n{kind}\n{link}\n{date.lower()}\n\n"
        signature = b64encode(hmac.digest(b64decode(self._account.key), payload.encode(), "sha256")).decode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"authorization": quote(f"type=master&ver=1.0&sig={signature}", safe=""), "x-ms-date": date} | named
        return self.plain(verb, path, named, body)

    def plain(self, verb: str, path: str, headers: dict[str, str], body: Any = None) -> Answer:
        at = urlsplit(self._account.endpoint)
        connection = HTTPConnection(at.hostname or "", at.port or 0, timeout=10)
        try:
            connection.request(verb, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, json.loads(text) if text else None)
        finally:
            connection.close()


@pytest.fixture
def customers(cosmos_account: Local) -> Iterator[ContainerProxy]:
    with fresh(cosmos_account) as container:
        yield container


@pytest.fixture
def wire(cosmos_account: Local) -> Wire:
    return Wire(cosmos_account)


def test_a_request_needs_a_header_a_signature_and_a_date_of_now(wire: Wire) -> None:
    assert wire.ask("GET", "/dbs", kind="dbs", link="").status == 200
    missing = wire.plain("GET", "/dbs", {"x-ms-date": formatdate(usegmt=True)})
    assert (missing.status, missing.body["code"]) == (401, "Unauthorized")
    assert wire.ask("GET", "/dbs", kind="colls", link="").status == 401
    for seconds in (-16 * 60, 16 * 60):
        late = wire.ask("GET", "/dbs", kind="dbs", link="", when=time.time() + seconds)
        assert late.status == 403
        assert "not valid at the current time" in late.body["message"]
    assert wire.ask("GET", "/dbs", kind="dbs", link="", when=time.time() - 14 * 60).status == 200


def test_resource_ids_name_what_names_do(wire: Wire, customers: ContainerProxy) -> None:
    """Other SDKs ask for `/pkranges` by resource id, signed with the id in lower case."""
    rid = customers.read()["_rid"]
    database = customers.read()["_self"].split("/")[1]
    listed = wire.ask("GET", f"/dbs/{database}/colls/{rid}/pkranges", kind="pkranges", link=rid.lower())
    assert [one["id"] for one in listed.body["PartitionKeyRanges"]] == ["0"]
    assert (listed.body["PartitionKeyRanges"][0]["minInclusive"], listed.body["_rid"]) == ("", rid)
    again = wire.ask(
        "GET",
        f"/dbs/{database}/colls/{rid}/pkranges",
        kind="pkranges",
        link=rid.lower(),
        if_none_match=listed.headers["etag"],
    )
    assert (again.status, again.body) == (304, None)


def test_the_list_of_ranges_since_an_etag_has_the_new_ones_and_all_their_ancestors(
    wire: Wire, customers: ContainerProxy, cosmos_account: Local
) -> None:
    database, name = names(customers)
    link = f"dbs/{database}/colls/{name}"
    before = wire.ask("GET", f"/{link}/pkranges", kind="pkranges", link=link).headers["etag"]
    low, high = cosmos_account.split(database, name, "0")
    cosmos_account.split(database, name, low["id"])
    new = wire.ask("GET", f"/{link}/pkranges", kind="pkranges", link=link, if_none_match=before)
    shown = {one["id"]: one["parents"] for one in new.body["PartitionKeyRanges"]}
    assert shown == {high["id"]: ["0"], "3": ["0", "1"], "4": ["0", "1"]}
    bounds = sorted((one["minInclusive"], one["maxExclusive"]) for one in new.body["PartitionKeyRanges"])
    assert [bounds[0][0], bounds[-1][1]] == ["", "FF"]
    assert all(left[1] == right[0] for left, right in itertools.pairwise(bounds))


def feed(wire: Wire, container: ContainerProxy, **headers: Any) -> Answer:
    link = container.container_link
    headers.setdefault("a_im", "Incremental feed")
    return wire.ask("GET", f"/{link}/docs", kind="docs", link=link, **headers)


RANGE = "x_ms_documentdb_partitionkeyrangeid"


def test_a_feed_of_a_range_that_is_gone_is_410(wire: Wire, customers: ContainerProxy, cosmos_account: Local) -> None:
    customers.create_item({"id": "c1", "country": "IS"})
    read = feed(wire, customers, **{RANGE: "0"})
    assert (read.status, read.headers["etag"], read.body["_count"]) == (200, '"2"', 1)
    assert read.headers["x-ms-session-token"] == "0:-1#2"
    database, name = names(customers)
    low, _ = cosmos_account.split(database, name, "0")
    for headers in ({RANGE: "0"}, {RANGE: "77"}, {RANGE: low["id"], "x_ms_start_epk": "00", "x_ms_end_epk": "FF"}):
        gone = feed(wire, customers, **headers)
        assert (gone.status, gone.headers["x-ms-substatus"], gone.body["code"]) == (410, "1002", "Gone")
    assert feed(wire, customers).status == 400  # of several ranges one must be named


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"a_im": "Backwards feed"}, 400),
        ({"if_none_match": "yesterday"}, 400),
        ({"if_modified_since": "yesterday"}, 400),
        ({"x_ms_max_item_count": "0"}, 400),
        ({"x_ms_max_item_count": "many"}, 400),
        ({"a_im": "Full-Fidelity Feed"}, 400),
        ({"a_im": "Full-Fidelity Feed", "if_none_match": "*"}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"999"'}, 304),
        ({"x_ms_cosmos_intended_collection_rid": "AAAAAAAAAAA="}, 400),
    ],
)
def test_what_a_feed_is_asked_wrongly_is_refused(
    wire: Wire, customers: ContainerProxy, headers: dict[str, str], status: int
) -> None:
    assert feed(wire, customers, **{RANGE: "0"}, **headers).status == status


def test_a_continuation_beyond_the_end_stays_where_it_is(wire: Wire, customers: ContainerProxy) -> None:
    """It must not go back and bring what was read, nor pretend that something was."""
    for mode in ("Incremental feed", "Full-Fidelity Feed"):
        ahead = feed(wire, customers, **{RANGE: "0"}, if_none_match='"999"', a_im=mode)
        assert (ahead.status, ahead.headers["etag"]) == (304, '"999"')


def write(wire: Wire, container: ContainerProxy, body: Any, key: str | None = '["IS"]', **headers: Any) -> Answer:
    link = container.container_link
    if key is not None:
        headers["x_ms_documentdb_partitionkey"] = key
    return wire.ask("POST", f"/{link}/docs", kind="docs", link=link, body=body, **headers)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"country": "IS"}, '["IS"]'),
        ({"id": "", "country": "IS"}, '["IS"]'),
        ({"id": 1, "country": "IS"}, '["IS"]'),
        ({"id": "x" * 1024, "country": "IS"}, '["IS"]'),
        (["id"], '["IS"]'),
        ({"id": "1", "country": "IS"}, None),
        ({"id": "1", "country": "IS"}, '["NO"]'),
        ({"id": "1", "country": "IS"}, '["IS", "Reykjavik"]'),
        ({"id": "1", "country": "IS"}, "IS"),
        ({"id": "1", "country": ["IS"]}, '["IS"]'),
        ({"id": "1"}, '["IS"]'),
    ],
)
def test_an_item_that_is_none_is_refused(wire: Wire, customers: ContainerProxy, body: Any, key: str | None) -> None:
    refused = write(wire, customers, body, key)
    assert (refused.status, refused.body["code"]) == (400, "BadRequest")
    assert "ActivityId" in refused.body["message"]


def test_what_the_service_writes_no_client_can(wire: Wire, customers: ContainerProxy) -> None:
    made = write(
        wire, customers, {"id": "1", "country": "IS", "_ts": 1, "_rid": "x", "_etag": "y", "_lsn": 9, "_own": 1}
    )
    assert made.status == 201
    assert made.body["_ts"] > 1
    assert (made.body["_own"], made.headers["etag"]) == (1, made.body["_etag"])
    assert "_lsn" not in made.body
    minimal = write(wire, customers, {"id": "2", "country": "IS"}, prefer="return=minimal")
    assert (minimal.status, minimal.body) == (201, None)


def test_an_id_with_an_encoded_slash_is_found_by_who_encodes_it(wire: Wire, customers: ContainerProxy) -> None:
    assert write(wire, customers, {"id": "a/b?c", "country": "IS"}).status == 201
    link = f"{customers.container_link}/docs/a/b?c"
    path = f"/{customers.container_link}/docs/{quote('a/b?c', safe='')}"
    found = wire.ask("GET", path, kind="docs", link=link, x_ms_documentdb_partitionkey='["IS"]')
    assert found.body["id"] == "a/b?c"


def test_bulk_operations_stand_each_for_itself(wire: Wire, customers: ContainerProxy, cosmos_account: Local) -> None:
    """As the bulk modes of other SDKs send them: to a range, each with its key, some refused and the others done."""

    def bulk(within: str, *operations: tuple[str, str, str]) -> Answer:
        body = [
            {
                "operationType": kind,
                "partitionKey": f'["{key}"]',
                "id": name,
                "resourceBody": {"id": name, "country": key},
            }
            for kind, name, key in operations
        ]
        headers = {"x_ms_cosmos_is_batch_request": "True", "x_ms_cosmos_batch_continue_on_error": "True", RANGE: within}
        return write(wire, customers, body, None, **headers)

    done = bulk("0", ("Create", "1", "IS"), ("Create", "1", "IS"), ("Upsert", "2", "NO"), ("Delete", "9", "NO"))
    assert done.status == 207
    assert [one["statusCode"] for one in done.body] == [201, 409, 201, 404]
    database, name = names(customers)
    low, _ = cosmos_account.split(database, name, "0")
    keys = [f"k{n}" for n in range(20)]
    after = bulk(low["id"], *[("Create", "1", key) for key in keys])
    assert {one["statusCode"] for one in after.body} == {201, 410}
    assert bulk("0", ("Create", "3", "IS")).status == 410


def test_a_query_is_told_by_its_header_or_its_type(wire: Wire, customers: ContainerProxy) -> None:
    customers.create_item({"id": "1", "country": "IS"})
    for headers in ({"x_ms_documentdb_isquery": "True"}, {"content_type": "application/query+json"}):
        found = write(wire, customers, {"query": "SELECT VALUE c.id FROM c"}, **headers)
        assert (found.status, found.body["Documents"]) == (200, ["1"])


def test_a_patch_is_a_list_or_an_object(wire: Wire, customers: ContainerProxy) -> None:
    customers.create_item({"id": "1", "country": "IS"})
    link = f"{customers.container_link}/docs/1"
    operation = {"op": "set", "path": "/n", "value": 1}
    for body, status in (([operation], 200), ({"operations": [operation]}, 200), (operation, 400), ("set", 400)):
        made = wire.ask("PATCH", f"/{link}", kind="docs", link=link, body=body, x_ms_documentdb_partitionkey='["IS"]')
        assert made.status == status


def test_an_unknown_path_is_refused_and_the_admin_endpoint_has_its_own(wire: Wire, customers: ContainerProxy) -> None:
    assert wire.ask("GET", "/dbs/x/users", kind="users", link="dbs/x").status == 400
    link = customers.container_link
    assert wire.ask("GET", f"/{link}/sprocs", kind="sprocs", link=link).status == 400
    with pytest.raises(CosmosHttpResponseError, match="does not serve"):
        customers.delete_all_items_by_partition_key("IS")
    assert wire.plain("GET", "/_emulator/nothing", {}).status == 404
    assert wire.plain("POST", "/_emulator/split", {}, {"database": "x"}).status == 400


def test_a_token_of_an_identity_is_good_until_it_expires(wire: Wire, cosmos_account: Local) -> None:
    def status(token: str) -> int:
        return wire.plain("GET", "/dbs", {"authorization": quote(f"type=aad&ver=1.0&sig={token}", safe="")}).status

    assert status(cosmos_account.token()) == 200
    assert [status(token) for token in (cosmos_account.token(-1), "local.1.00", "local.x.00", "eyJ0eXAi")] == [401] * 4


class Identity:
    """A credential that hands out one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)


def test_over_tls_the_sdk_comes_with_an_identity(tmp_path: Path) -> None:
    """It sends no token over plain HTTP."""
    authority = Authority(tmp_path / "ca", "Local")
    certificate, key = authority.issue("localhost")
    arguments = ["--host", "localhost", "--tls-cert", str(certificate), "--tls-key", str(key)]
    with Local(tmp_path / "account", arguments=arguments) as account:
        assert account.endpoint.startswith("https://localhost:")
        account.trusted = authority.file
        trust = documents.SSLConfiguration()
        trust.SSLCaCerts = str(authority.file)
        trusting: Any = {"ssl_config": trust}  # otherwise the SDK verifies nothing of localhost, and warns
        with CosmosClient(account.endpoint, Identity(account.token()), **trusting) as client:
            client.create_database("shop")
            assert [one["id"] for one in client.list_databases()] == ["shop"]
