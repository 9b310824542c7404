"""The contract between the parts: records, their encoding, and the Kafka topics they travel in."""
