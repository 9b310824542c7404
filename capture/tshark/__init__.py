"""The tshark engine: DNS, URLs, TLS, certificates and files out of one tshark process."""

from capture.tshark.program import tshark_available
from capture.tshark.source import TsharkSource

__all__ = ["TsharkSource", "tshark_available"]
