"""The desk: what a store knows, over HTTP, to those who may ask.  It reads the store and never a worker."""
