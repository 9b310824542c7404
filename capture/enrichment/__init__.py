"""What is known of a flow's ends from files and the configuration, without asking anybody."""

from typing import Final

NAME: Final = "enrichment"
"""Its name in metrics."""
