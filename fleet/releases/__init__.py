"""Signed releases and the TUF repository that carries them."""
