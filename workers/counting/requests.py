"""Requests and replies of hosts, as resources tell of them."""

from __future__ import annotations

from topics.records import Resource

Amounts = dict[str, int]


def requests_of(resource: Resource) -> tuple[Amounts, Amounts] | None:
    """What a DNS or HTTP message counts as for its source and its destination; ``None`` for another resource.

    The ends of a resource are those of its flow: its source asks, its destination replies.
    """
    if resource.dns is not None:
        message = "dns_queries" if resource.dns.type == "query" else "dns_replies"
        asks = resource.dns.type == "query"
    elif resource.http is not None:
        message = "http_requests" if resource.http.type == "request" else "http_replies"
        asks = resource.http.type == "request"
    else:
        return None
    sent, received = {f"{message}_sent": 1}, {f"{message}_received": 1}
    return (sent, received) if asks else (received, sent)
