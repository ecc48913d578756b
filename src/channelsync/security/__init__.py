"""Passwords, tokens and keys: what proves who somebody is."""
