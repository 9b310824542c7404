"""Statistics of long streams in little memory, for scripts: largest, how many different, quantiles, moving mean.

Each has ``to_text`` and ``from_text``, so that it can be kept in a script's ``store``. All give the same
result when the same values come again in the same order, as a replay wants it.
"""

from tapline.statistics.distinct import DistinctCount
from tapline.statistics.ewma import Ewma
from tapline.statistics.quantiles import Quantiles
from tapline.statistics.top import Heavy, TopK

__all__ = ["DistinctCount", "Ewma", "Heavy", "Quantiles", "TopK"]
