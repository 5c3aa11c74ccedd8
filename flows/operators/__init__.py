"""The stages of the flow as plain classes: messages in, messages out. No engine, no clock, no I/O."""
