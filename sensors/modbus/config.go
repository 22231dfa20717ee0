package modbus

import (
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// The values of RegisterConfig.Table: the four tables that a slave has.
const (
	TableHolding  = "holding"  // 16-bit registers that may be written: function 3
	TableInput    = "input"    // 16-bit registers: function 4
	TableCoil     = "coil"     // bits that may be written: function 1
	TableDiscrete = "discrete" // bits: function 2
)

// The values of RegisterConfig.Type.
const (
	TypeBool    = "bool"
	TypeInt16   = "int16"
	TypeUint16  = "uint16"
	TypeInt32   = "int32"
	TypeUint32  = "uint32"
	TypeInt64   = "int64"
	TypeUint64  = "uint64"
	TypeFloat32 = "float32"
	TypeFloat64 = "float64"
	TypeString  = "string"
)

// The values of byte_order and word_order.
const (
	OrderBig    = "big"    // the high one first, as the specification has it
	OrderLittle = "little" // the low one first
)

// How an address begins.
const (
	schemeTCP = "tcp://"        // Modbus TCP
	schemeRTU = "rtuovertcp://" // RTU frames through a plain TCP connection, as cheap converters do
)

// Config is one bus and what is asked of its slaves. The keys of the serial line stand beside it.
type Config struct {
	Name       string        `toml:"name"`
	Address    string        `toml:"address"`
	Interval   time.Duration `toml:"interval"`   // between two polls of a register
	Timeout    time.Duration `toml:"timeout"`    // until an answer begins
	Retries    int           `toml:"retries"`    // of one poll
	Turnaround time.Duration `toml:"turnaround"` // besides the silence between two frames
	MaxGap     int           `toml:"max_gap"`    // registers
	TagSource  bool          `toml:"tag_source"`
	Slaves     []SlaveConfig `toml:"slave"`
}

// SlaveConfig is one slave of the bus.
type SlaveConfig struct {
	Name      string            `toml:"name"`
	UnitID    *int              `toml:"unit_id"`
	Interval  time.Duration     `toml:"interval"`
	ByteOrder string            `toml:"byte_order"`
	WordOrder string            `toml:"word_order"`
	Tags      map[string]string `toml:"tags"`
	Registers []RegisterConfig  `toml:"register"`
}

// RegisterConfig is one value of a slave.
type RegisterConfig struct {
	Name         string        `toml:"name"`
	Table        string        `toml:"table"`
	Address      *int          `toml:"address"`
	Type         string        `toml:"type"`
	Bit          *int          `toml:"bit"`
	Length       int           `toml:"length"` // registers
	ByteOrder    string        `toml:"byte_order"`
	WordOrder    string        `toml:"word_order"`
	Scale        float64       `toml:"scale"`
	Offset       float64       `toml:"offset"`
	ScaleAddress *int          `toml:"scale_address"`
	Unit         string        `toml:"unit"`
	Interval     time.Duration `toml:"interval"`
	NoValue      []string      `toml:"no_value"`
}

// Bounds of the configuration.
const (
	MaxSlaves    = 247  // of a bus
	MaxRegisters = 4096 // of a slave
	MaxLength    = 125  // registers of a string
	MinInterval  = 10 * time.Millisecond
	MaxInterval  = 24 * time.Hour
	minTimeout   = 10 * time.Millisecond
	maxTimeout   = time.Minute
	maxRetries   = 10
	maxPause     = time.Second // of Turnaround
	maxNoValues  = 16          // of one register
)

// DefaultConfig returns what holds for keys that are not set.
func DefaultConfig() Config {
	return Config{Interval: 10 * time.Second, Timeout: time.Second, Retries: 1, MaxGap: 8, TagSource: true}
}

// Registers returns how many values there are on the bus: each has a series of its own.
func (c Config) Registers() int {
	n := 0
	for _, s := range c.Slaves {
		n += len(s.Registers)
	}
	return n
}

// MayName reports whether a series of the bus can have a name that glob matches.
func (c Config) MayName(glob string) bool {
	for _, s := range c.Slaves {
		for _, r := range s.Registers {
			if sensors.GlobsMeet(glob, r.Name) {
				return true
			}
		}
	}
	return false
}

// DefaultSlaveConfig returns a slave as it is before its keys are applied.
func DefaultSlaveConfig() SlaveConfig {
	return SlaveConfig{ByteOrder: OrderBig, WordOrder: OrderBig}
}

// DefaultRegisterConfig returns a register as it is before its keys are applied.
func DefaultRegisterConfig() RegisterConfig {
	return RegisterConfig{Table: TableHolding, Scale: 1}
}

func (c RegisterConfig) ofBits() bool { return c.Table == TableCoil || c.Table == TableDiscrete }

// kind returns the type, with the default where none is named.
func (c RegisterConfig) kind() string {
	switch {
	case c.Type != "":
		return c.Type
	case c.ofBits() || c.Bit != nil:
		return TypeBool
	}
	return TypeUint16
}

// width returns how many registers, or bits of a table of bits, the value takes.
func (c RegisterConfig) width() int {
	switch c.kind() {
	case TypeInt32, TypeUint32, TypeFloat32:
		return 2
	case TypeInt64, TypeUint64, TypeFloat64:
		return 4
	case TypeString:
		return c.Length
	}
	return 1
}

// span returns the first address that a request must have, and the one behind the last.
func (c RegisterConfig) span() (from, to int) {
	from = *c.Address
	to = from + c.width()
	if c.ScaleAddress != nil {
		from, to = min(from, *c.ScaleAddress), max(to, *c.ScaleAddress+1)
	}
	return from, to
}

// scaled reports whether the value is a float whatever its type is.
func (c RegisterConfig) scaled() bool { return c.Scale != 1 || c.Offset != 0 || c.ScaleAddress != nil }

func (c SlaveConfig) interval(source time.Duration) time.Duration {
	if c.Interval != 0 {
		return c.Interval
	}
	return source
}

func (c RegisterConfig) interval(slave time.Duration) time.Duration {
	if c.Interval != 0 {
		return c.Interval
	}
	return slave
}

func tables() []string { return []string{TableHolding, TableInput, TableCoil, TableDiscrete} }

func types() []string {
	return []string{
		TypeBool, TypeInt16, TypeUint16, TypeInt32, TypeUint32, TypeInt64, TypeUint64, TypeFloat32, TypeFloat64, TypeString,
	}
}
