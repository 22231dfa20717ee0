package config

import (
	"strings"

	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/serial"
	"github.com/skerry-edge/skerry/store"
)

// An idleKey is a key that another one makes meaningless: allowed, and hardly meant where it is not the default.
type idleKey struct {
	key  string
	idle bool // it changes nothing, and is not the default
	what string
}

// idleStore warns of keys in [store] that change nothing.
func (v *validator) idleStore() {
	c, plain := v.cfg.Store, store.DefaultConfig()
	n, exact := v.cfg.tree.find("store")
	if !exact || n.kind != kindTable || !c.Sync() {
		return
	}
	const what = `has no effect with durability "sync"`
	warnIdle(
		n, v.reporter(n, "store", &v.warnings),
		idleKey{"interval", c.Interval != plain.Interval, what},
		idleKey{"ack_max_wait", c.AckMaxWait != plain.AckMaxWait, what},
		idleKey{"profile", c.Profile != plain.Profile, what},
	)
}

// idleMQTT warns of keys in a [[source.mqtt]] that change nothing.
func idleMQTT(s namedSource, door mqtt.SourceConfig) {
	inside, plain := door.Broker == mqtt.BrokerInside, mqtt.DefaultSourceConfig()
	const what = `has no effect with broker = "inside"`
	warnIdle(
		s.at, s.warn,
		idleKey{"keep_alive", inside && door.KeepAlive != plain.KeepAlive, what},
		idleKey{"max_inflight", inside && door.MaxInflight != plain.MaxInflight, what + ", which has a max_inflight of its own"},
	)
	idleTarget(s)
}

// idleSerial warns of keys in a [[source.serial]] that change nothing.
func idleSerial(s namedSource, port serial.Config) {
	plain := serial.DefaultConfig()
	delimiter, length, silence := port.Framing == serial.FramingDelimiter, port.Framing == serial.FramingLength, port.Framing == serial.FramingSilence
	what := "has no effect with framing = " + quote(port.Framing)
	warnIdle(
		s.at, s.warn,
		idleKey{"delimiter", !delimiter && port.Delimiter != plain.Delimiter, what},
		idleKey{"length", !length && port.Length != plain.Length, what},
		idleKey{"silence", !length && !silence && port.Silence != plain.Silence, what},
	)
	idleTarget(s)
}

// idleModbus warns of keys in a [[source.modbus]] that change nothing.
func idleModbus(s namedSource, c ModbusSource) {
	overTCP, plain := c.Bus.Address != "" && c.Line.Device == "", serial.DefaultLineConfig()
	frames := strings.HasPrefix(c.Bus.Address, "tcp://")
	const what = "has no effect with address"
	warnIdle(
		s.at, s.warn,
		idleKey{"baud", overTCP && c.Line.Baud != plain.Baud, what},
		idleKey{"parity", overTCP && c.Line.Parity != plain.Parity, what},
		idleKey{"stop_bits", overTCP && c.Line.StopBits != plain.StopBits, what},
		idleKey{"rs485", overTCP && c.Line.RS485, what},
		idleKey{"turnaround", overTCP && frames && c.Bus.Turnaround != 0, "has no effect with Modbus TCP"},
	)
	idleTarget(s)
}

func idleTarget(s namedSource) {
	idle := s.target.Dedup == "" && s.target.DedupWindow != defaultDedupWindow
	warnIdle(s.at, s.warn, idleKey{"dedup_window", idle, "has no effect without dedup"})
}

// warnIdle warns of those keys that stand in section.
func warnIdle(section *element, warn func(key, what, hint string), keys ...idleKey) {
	for _, k := range keys {
		if _, stands := section.table[k.key]; stands && k.idle {
			warn(k.key, k.what, "remove it")
		}
	}
}
