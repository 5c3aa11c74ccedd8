"""The binding to Bytewax: the operators as its steps, with recovery, processes, hosts, signals."""
