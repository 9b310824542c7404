"""What a capture node shows to Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

PACKETS = Counter("tapline_capture_packets", "Packets read", ["source"])
BYTES = Counter("tapline_capture_bytes", "Bytes of the packets read, as on the wire, or of lines", ["source"])
IGNORED = Counter("tapline_capture_ignored_packets", "Packets read that belong to no flow", ["source", "reason"])
LINES = Counter("tapline_capture_lines", "Lines received", ["source"])
REJECTED = Counter("tapline_capture_rejected_lines", "Lines that could not be used", ["source", "reason"])
DROPPED = Counter(
    "tapline_capture_dropped",
    "What was lost: packets and datagrams by the kernel, records where Kafka was too slow or refused them",
    ["reason"],
)
EVENTS = Counter("tapline_capture_events", "Whatever else a source counts", ["source", "event"])
RECORDS = Counter("tapline_capture_records", "Records handed to Kafka", ["kind"])
PUBLISHED = Counter("tapline_capture_published_messages", "Messages that Kafka has acknowledged")
WAITS = Counter("tapline_capture_waits", "Times a reader waited because the queue to Kafka was full")
QUEUE = Gauge("tapline_capture_queue_messages", "Messages waiting for Kafka's acknowledgement")
WINDOW = Gauge("tapline_capture_window", "The last window that was closed, in epoch seconds")
INTERFACE_UP = Gauge(
    "tapline_capture_interface_up", "1 while an interface can be captured, 0 while it is away", ["interface"]
)
ENTRIES = Gauge("tapline_capture_enrichment_entries", "Entries of a file that flows are enriched from", ["file"])
WRITTEN = Gauge(
    "tapline_capture_enrichment_file_written_seconds",
    "When a file that flows are enriched from was last written, in epoch seconds",
    ["file"],
)


def count(source: str, counter: str, amount: int) -> None:
    """Add to the metric that shows a source's counter (see :class:`~capture.source.Sink`)."""
    family, _, reason = counter.partition(".")
    if family == "packets":
        PACKETS.labels(source).inc(amount)
    elif family == "bytes":
        BYTES.labels(source).inc(amount)
    elif family == "ignored":
        IGNORED.labels(source, reason).inc(amount)
    elif family == "lines":
        LINES.labels(source).inc(amount)
    elif family == "rejected":
        REJECTED.labels(source, reason).inc(amount)
    elif family == "dropped":
        DROPPED.labels(reason).inc(amount)
    else:
        EVENTS.labels(source, counter).inc(amount)
