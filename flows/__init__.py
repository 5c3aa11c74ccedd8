"""The application: wire formats, sources, sinks, the Bytewax binding, configuration, command line."""
