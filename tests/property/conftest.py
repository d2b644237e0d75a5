"""One hypothesis profile for all properties: no deadline per example, for machines are shared."""

from hypothesis import settings

settings.register_profile("lamppost", deadline=None)
settings.load_profile("lamppost")
