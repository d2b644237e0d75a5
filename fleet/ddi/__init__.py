"""The Eclipse hawkBit Direct Device Integration contract."""
