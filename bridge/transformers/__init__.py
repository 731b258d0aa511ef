"""Users' own code before and after the model: `bridge.transformers.user`."""
