"""Kibana: data views, dashboards and saved searches over what the exporter keeps in Elasticsearch."""
