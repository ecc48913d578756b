"""What a connector's own tests and simulator may use."""
