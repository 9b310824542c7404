"""Requests that are not answered: a server that is down, or somebody who asks at random."""

from tapline.checks import Entity, Gui, HostCheck
from tapline.checks.gui import ThresholdInput

FORM = (ThresholdInput(unit="%", minimum=1, maximum=100, fixed_operator="lt"),)


class DnsRepliesReceived(HostCheck):
    """Of the DNS requests that a host sent too few were answered."""

    name = "request_reply_ratio_dns_sent"
    gui = Gui(title="DNS replies received", inputs=FORM)
    local_only = True
    category = "network"
    score = 50
    meter = "replies to DNS requests sent"
    reads = ("client_dns_requests", "client_dns_replies")
    unit = "%"
    five_minutes = HostCheck.compare
    default_value = "request_reply_ratio_dns_sent;lt;50"

    def measured(self, entity: Entity) -> float | None:
        return ratio(entity.value("client_dns_requests"), entity.value("client_dns_replies"))


class DnsRepliesSent(HostCheck):
    """Of the DNS requests that a host got it answered too few."""

    name = "request_reply_ratio_dns_received"
    gui = Gui(title="DNS replies sent", inputs=FORM)
    local_only = True
    category = "network"
    score = 50
    meter = "replies to DNS requests received"
    reads = ("server_dns_requests", "server_dns_replies")
    unit = "%"
    five_minutes = HostCheck.compare
    default_value = "request_reply_ratio_dns_received;lt;50"

    def measured(self, entity: Entity) -> float | None:
        return ratio(entity.value("server_dns_requests"), entity.value("server_dns_replies"))


class HttpRepliesReceived(HostCheck):
    """Of the HTTP requests that a host sent too few were answered."""

    name = "request_reply_ratio_http_sent"
    groups = ("Requests",)
    gui = Gui(title="HTTP replies received", inputs=FORM)
    local_only = True
    category = "network"
    score = 50
    meter = "replies to HTTP requests sent"
    reads = ("http_requests_sent", "http_replies_received")
    unit = "%"
    five_minutes = HostCheck.compare
    default_value = "request_reply_ratio_http_sent;lt;50"

    def measured(self, entity: Entity) -> float | None:
        return ratio(entity.value("http_requests_sent"), entity.value("http_replies_received"))


class HttpRepliesSent(HostCheck):
    """Of the HTTP requests that a host got it answered too few."""

    name = "request_reply_ratio_http_received"
    groups = ("Requests",)
    gui = Gui(title="HTTP replies sent", inputs=FORM)
    local_only = True
    category = "network"
    score = 50
    meter = "replies to HTTP requests received"
    reads = ("http_requests_received", "http_replies_sent")
    unit = "%"
    five_minutes = HostCheck.compare
    default_value = "request_reply_ratio_http_received;lt;50"

    def measured(self, entity: Entity) -> float | None:
        return ratio(entity.value("http_requests_received"), entity.value("http_replies_sent"))


def ratio(requests: float, replies: float) -> float | None:
    """Replies in percent of requests; nothing where there were 10 or fewer of both (ntopng's rule)."""
    return replies * 100 / (requests + 1) if requests + replies > 10 else None
