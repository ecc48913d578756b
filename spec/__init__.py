"""The escrow protocol as a model that Spin exhausts: `./run spec`, README.md beside this file."""
