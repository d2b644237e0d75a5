"""Operators: tokens, roles, site scopes, Cedar policies."""
