"""What every process of ours does alike: logging, metrics, health, signals, children."""
