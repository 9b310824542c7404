"""What the console knows of Kafka all the time, and how pages hear of changes."""
