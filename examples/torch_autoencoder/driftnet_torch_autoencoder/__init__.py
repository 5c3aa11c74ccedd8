"""An online autoencoder for Driftnet, in PyTorch."""
