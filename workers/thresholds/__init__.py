"""Rules without code: thresholds, absence, changes and anomalies of counters."""
