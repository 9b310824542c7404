"""What Kibana does with a saved object, done here because no Kibana runs in tests."""
