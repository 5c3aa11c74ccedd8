"""What sources and sinks on Kafka share: the connection, the topics that are there, errors in words."""
