"""The host half of an update: compile, bundle, keys, sign, publish."""
