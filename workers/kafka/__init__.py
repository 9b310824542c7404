"""Faust's and Kafka's side of the stages: reading, publishing, committing, leaving."""
