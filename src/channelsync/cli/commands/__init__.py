"""The commands, one file for each noun; `application` puts them together."""
