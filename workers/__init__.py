"""Workers: monitors over the topics, their windows, and the scripts they run."""
