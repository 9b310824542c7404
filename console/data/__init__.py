"""What the pages and the API show, asked of Elasticsearch and of Kafka."""
