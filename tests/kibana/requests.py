"""What Kibana asks Elasticsearch for a saved object, derived from the object itself as it is imported.

A visualization of Lens becomes one search: its bucketed columns are nested aggregations in their order, its metrics
stand in the innermost of them, and once more beside each ``terms`` that is ordered by one. Kibana chooses the interval
of a ``date_histogram`` by the time that is looked at; here it is a minute. What Kibana asks besides, for the rest that
``otherBucket`` stands for, is left out. The time that is looked at is everything from 2000 to 2100.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from exporters.kibana.saved_objects import SavedObject, saved_objects
from tests.kibana import kql

INTERVAL = "1m"
LOOKED_AT = {"gte": "2000-01-01T00:00:00Z", "lte": "2100-01-01T00:00:00Z"}
_SEARCH_ROWS = 500
_METRICS = {"sum": "sum", "average": "avg", "min": "min", "max": "max", "unique_count": "cardinality"}


def search(saved: SavedObject, namespaces: str = "*") -> tuple[str, dict[str, Any]]:
    """The indices and the body of the search for a ``lens`` or a ``search``; ``namespaces`` ends their names."""
    source: dict[str, Any]
    if saved["type"] == "search":
        source = msgspec.json.decode(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        body = {
            "size": _SEARCH_ROWS,
            "sort": [{name: direction} for name, direction in saved["attributes"]["sort"]],
            "fields": saved["attributes"]["columns"],
            "_source": False,
        }
    else:
        source = saved["attributes"]["state"]
        body = {"size": 0, **_aggregations(_layer(saved))}
    view = _data_view(saved)
    conditions = [kql.query(source["query"]["query"])]
    if "timeFieldName" in view:
        conditions.append({"range": {view["timeFieldName"]: LOOKED_AT}})
    indices = view["title"]
    assert indices.endswith("*")
    return f"{indices[:-1]}{namespaces}", body | {"query": {"bool": {"filter": conditions}}}


def rows(answer: dict[str, Any]) -> list[list[Any]]:
    """The rows of an answer: hits with their fields, or buckets with their keys and what was measured in them.

    A number over nothing is ``None``, as Kibana shows it.
    """
    if answer["hits"]["hits"]:
        return [list(hit["fields"].values()) for hit in answer["hits"]["hits"]]
    return list(_rows(answer.get("aggregations", {})))


def _layer(saved: SavedObject) -> dict[str, Any]:
    (layer,) = saved["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values()
    assert isinstance(layer, dict)
    return layer


def _data_view(saved: SavedObject) -> dict[str, Any]:
    (target,) = {each["id"] for each in saved["references"] if each["type"] == "index-pattern"}
    return _data_views()[target]


@cache
def _data_views() -> dict[str, dict[str, Any]]:
    return {each["id"]: each["attributes"] for each in saved_objects() if each["type"] == "index-pattern"}


def _aggregations(layer: dict[str, Any]) -> dict[str, Any]:
    columns = [(name, layer["columns"][name]) for name in layer["columnOrder"]]
    metrics = {name: _metric(column) for name, column in columns if not column["isBucketed"]}
    found = {"aggs": {"matched": {"filter": {"match_all": {}}}, **metrics}}
    for name, column in reversed([each for each in columns if each[1]["isBucketed"]]):
        inner = found["aggs"]
        ordered = column["params"].get("orderBy", {}).get("columnId")
        beside = {ordered: metrics[ordered]} if ordered else {}
        found = {"aggs": {name: _bucket(column, metrics) | {"aggs": beside | inner}}}
    return found


def _bucket(column: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    field, params = column["sourceField"], column["params"]
    if column["operationType"] == "date_histogram":
        return {"date_histogram": {"field": field, "fixed_interval": INTERVAL, "min_doc_count": 1}}
    if column["operationType"] == "range":
        ends = [
            {name: value for name, value in (("from", each["from"]), ("to", each["to"])) if value is not None}
            for each in params["ranges"]
        ]
        return {"range": {"field": field, "ranges": ends}}
    assert column["operationType"] == "terms"
    ordered = params["orderBy"]["columnId"]
    path = "_count" if "filter" in metrics[ordered] else ordered
    missing = {"missing": "__missing__"} if params["missingBucket"] else {}
    return {"terms": {"field": field, "size": params["size"], "order": {path: params["orderDirection"]}, **missing}}


def _metric(column: dict[str, Any]) -> dict[str, Any]:
    """A metric as an aggregation; a count is that of a filter, so that it has a name as all others have."""
    kind, field = column["operationType"], column["sourceField"]
    if kind == "count":
        return {"filter": {"match_all": {}}}
    if kind == "percentile":
        return {"percentiles": {"field": field, "percents": [column["params"]["percentile"]]}}
    return {_METRICS[kind]: {"field": field}}


def _rows(found: dict[str, Any]) -> list[list[Any]]:
    measured, below, divided = [], [], False
    for name in sorted(found):
        value = found[name]
        if "buckets" in value:
            divided = True
            for bucket in value["buckets"]:
                inner = {key: each for key, each in bucket.items() if isinstance(each, dict)}
                below += [[bucket.get("key_as_string", bucket["key"]), *row] for row in _rows(inner)]
        elif name != "matched":
            measured.append(_number(value))
    if divided:
        # Kibana shows no row for a bucket that has none below it.
        return below
    return [measured] if found.get("matched", {}).get("doc_count", 1) else []


def _number(value: dict[str, Any]) -> Any:
    if "values" in value:
        return next(iter(value["values"].values()))
    return value["value"] if "value" in value else value["doc_count"]
