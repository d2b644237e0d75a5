"""Range gates: what a stream can plausibly be, inclusive, in the stream's unit (see core/senml).

Outside of them a value is a fault of the part, never a reading. Particulate matter as Plantower
states it, climate as Bosch states the BME280's operating range, illuminance up to direct sunlight.
"""

GATES = {
    "pm1": (0, 1000),
    "pm25": (0, 1000),
    "pm10": (0, 1000),
    "temperature": (-40, 85),
    "humidity": (0, 100),
    "pressure": (30000, 110000),
    "illuminance": (0, 200000),
    "lamp_level": (0, 100),
}
