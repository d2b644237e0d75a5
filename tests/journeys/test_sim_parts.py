"""What the firmware's side of the chip sees of the parts on its pins."""

import pytest
from emulated import StillAir, started

from sim.board import Wiring
from sim.clock import Clock
from sim.hardware.adc import Adc
from sim.hardware.bme280 import Bme280
from sim.hardware.lamp import LampCircuit
from sim.hardware.pms5003 import Pms5003
from sim.hardware.wifi import Wifi

LAMP = 25


@pytest.fixture
def run(tmp_path):
    """Give a function that runs a main.py among parts and returns the node at its prompt."""
    nodes = []
    clock, air = Clock(), StillAir()

    def start(main, *, until=">>> "):
        wiring = Wiring(
            i2c={(22, 21): {0x76: Bme280(clock, air)}},
            uart={(17, 16): Pms5003(clock, air, period_s=0.05)},
            pins={LAMP: LampCircuit(clock, air)},
            adc={34: Adc(clock, air)},
            wifi=Wifi(clock, ssid="city", password="lamplight"),
        )
        nodes.append(started(tmp_path / f"{len(nodes)}.bin", main, wiring=wiring, clock=clock))
        nodes[-1].wait_text(until, 10)
        return nodes[-1]

    yield start
    for node in nodes:
        node.close()


def test_i2c_reads_registers_and_a_missing_device_is_enodev(run):
    node = run(
        "from machine import I2C, SoftI2C, Pin\n"
        "bus = I2C(0, scl=Pin(22), sda=Pin(21), freq=100000)\n"
        "print('scan', bus.scan(), SoftI2C(Pin(22), Pin(21)).scan(), I2C(0).scan())\n"
        "print('id', bus.readfrom_mem(0x76, 0xD0, 1))\n"
        "buffer = bytearray(24)\n"
        "bus.readfrom_mem_into(0x76, 0x88, buffer)\n"
        "print('calibration', buffer == bus.readfrom_mem(0x76, 0x88, 24), any(buffer))\n"
        "for call in (lambda: bus.readfrom(0x77, 1), lambda: bus.writeto(0x77, b'x')):\n"
        "    try: call()\n"
        "    except OSError as error: print('errno', error.errno)\n"
    )
    shown = node.console.text
    assert "scan [118] [118] []" in shown
    assert "id b'`'" in shown
    assert "calibration True True" in shown
    assert shown.count("errno 19") == 2
    node.wiring.i2c[22, 21][0x76].fault = "nack"
    mark = node.console.length
    node.send(b"bus.readfrom_mem(0x76, 0xD0, 1)\r")
    node.wait_text("OSError: [Errno 19] ENODEV", 5, since=mark)


UART = "from machine import UART\nport = UART(1, baudrate=9600, tx=17, rx=16)\n"


def test_uart_bytes_arrive_whole_and_asyncio_waits_for_them(run):
    node = run(
        UART + "import asyncio\n"
        "async def main():\n"
        "    stream = asyncio.StreamReader(port)\n"
        "    frame = await stream.readexactly(32)\n"
        "    print('frame', frame[:4], sum(frame[:30]) == frame[30] << 8 | frame[31])\n"
        "    port.write(bytes.fromhex('424de100000170'))\n"
        "    await asyncio.sleep_ms(20)\n"
        "    port.read()\n"
        "    await asyncio.sleep_ms(120)\n"
        "    print('passive', port.any(), port.read())\n"
        "    port.write(bytes.fromhex('424de200000171'))\n"
        "    print('asked', len(await stream.readexactly(32)), port.read())\n"
        "asyncio.run(main())\n"
    )
    shown = node.console.text
    assert "frame b'BM\\x00\\x1c' True" in shown
    assert "passive 0 None" in shown
    assert "asked 32 None" in shown


def test_uart_loses_what_no_buffer_takes_and_garbles_at_a_wrong_rate(run):
    node = run(
        UART + "import time\n"
        "time.sleep_ms(500)\n"
        "print('waited', port.any())\n"
        "wrong = UART(1, baudrate=115200, tx=17, rx=16)\n"
        "time.sleep_ms(150)\n"
        "print('wrong', wrong.any() > 0, b'BM' in wrong.read())\n"
        "unwired = UART(2, baudrate=9600, tx=4, rx=5)\n"
        "time.sleep_ms(150)\n"
        "print('unwired', unwired.write(b'hello'), unwired.any(), unwired.read(1))\n"
    )
    assert "waited 256" in node.console.text
    assert "wrong True False" in node.console.text
    assert "unwired 5 0 None" in node.console.text


def test_a_killed_read_leaves_the_channel_whole(run):
    node = run(
        "from machine import ADC, Pin\n"
        "adc = ADC(Pin(34), atten=ADC.ATTN_11DB)\n"
        "def work():\n"
        "    while True: assert 8000 < adc.read_uv() < 8500\n"
        "print('ready')\n"
    )
    for _ in range(10):
        mark = node.console.length
        node.send(b"work()\r")
        node.wait_text("work()", 5, since=mark)
        node.send(b"\x03")
        node.wait_text("KeyboardInterrupt", 5, since=mark)
        node.wait_text(">>> ", 5, since=mark + 10)
    node.send(b"print('after', adc.read_uv(), adc.read_u16() >> 4)\r")
    node.wait_text("after 8250 10", 5)


def test_the_lamp_is_dimmed_by_pwm_and_full_whenever_nobody_drives_it(run):
    node = run(
        "from machine import PWM, Pin\n"
        "lamp = PWM(Pin(25), freq=1000, duty_u16=65535 * 40 // 100)\n"
        "print('dimmed')\n"
        "while True: pass\n",
        until="dimmed",
    )
    assert node.lamp.level == pytest.approx(60, abs=0.01)
    node.send(b"\x03")
    node.wait_text(">>> ", 5)
    assert node.lamp.level == pytest.approx(60, abs=0.01)
    mark = node.console.length
    node.send(b"lamp.duty_u16(65535)\r")
    node.wait(lambda: node.lamp.level == 0, 5)
    node.send(b"import machine; machine.reset()\r")
    node.wait(lambda: node.resets[-1] == "hard", 5)
    node.wait_text("dimmed", 5, since=mark)
    levels = [round(level) for _, level in node.lamp.history]
    assert levels[-3:] == [0, 100, 60]
    assert 0 < node.lamp.dark_s < 5
    node.power_off()
    assert node.lamp.level == 0  # no mains
    dark_s = node.lamp.dark_s
    node.power_on()
    node.wait_text("dimmed", 5, since=node.console.length)
    assert node.lamp.dark_s == dark_s


def test_a_watchdog_bite_brightens_the_street(run):
    node = run(
        "from machine import PWM, Pin, WDT, reset_cause\n"
        "if reset_cause() != 3:\n"
        "    lamp = PWM(Pin(25), freq=1000, duty_u16=65535)\n"
        "    WDT(timeout=100)\n"
        "    print('dark')\n"
        "    while True: pass\n",
        until="dark",
    )
    node.wait(lambda: node.resets[-1] == "watchdog", 5)
    assert node.lamp.level == 100


def test_a_held_pin_keeps_its_level_over_resets_until_it_is_let_go(run):
    node = run(
        "from machine import Pin, reset, reset_cause\n"
        "pin = Pin(25, Pin.OUT)\n"
        "if reset_cause() == 1:\n"
        "    pin.init(Pin.OUT, value=1, hold=True)\n"
        "    pin.value(0)\n"
        "    reset()\n"
        "print('held', pin.value())\n"
        "pin.init(Pin.OUT, value=0, hold=False)\n"
        "print('free', pin.value())\n",
    )
    assert "held 1" in node.console.text
    assert "free 0" in node.console.text
    assert [level for _, level in node.lamp.history][-2:] == [0, 100]
    assert node.lamp.level == 100


def test_wifi_follows_the_access_point(run):
    node = run(
        "import network, time\n"
        "wlan = network.WLAN(network.STA_IF)\n"
        "def join(ssid, key):\n"
        "    wlan.active(True)\n"
        "    wlan.connect(ssid, key)\n"
        "    while wlan.status() == network.STAT_CONNECTING: time.sleep_ms(10)\n"
        "    print('status', wlan.status(), wlan.isconnected(), wlan.ifconfig()[0])\n"
        "print('idle', wlan.status(), wlan.active())\n"
        "join('city', 'wrong')\n"
        "join('town', 'lamplight')\n"
        "join('city', 'lamplight')\n"
        "print('rssi', wlan.status('rssi'))\n"
    )
    shown = node.console.text
    assert "idle 1000 False" in shown
    statuses = [line[7:] for line in shown.splitlines() if line.startswith("status")]
    assert statuses == ["202 False 0.0.0.0", "201 False 0.0.0.0", "1010 True 127.0.0.1"]
    assert "rssi -61" in shown
    node.wiring.wifi.in_reach = False
    node.send(b"wlan.isconnected()\r")
    node.wait_text("False\r\n>>> ", 5)
