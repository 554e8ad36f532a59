"""The network: VGG16 with a head for each attribute; training it, keeping it, running it."""
