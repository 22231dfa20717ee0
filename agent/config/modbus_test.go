package config

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

const modbusHead = `[[collection]]
name = "c"
[[source.modbus]]
name = "bus"
collection = "c"
`

// Each fault of a Modbus source is told with its line, key and hint.
func TestModbus_faults(t *testing.T) {
	const slave = "device = '/dev/ttyUSB0'\n[[source.modbus.slave]]\nname = 'm'\nunit_id = 1\n"
	register := func(text string) string { return slave + "register = [ { name = 'r', " + text + " } ]\n" }
	for text, want := range map[string]string{
		"": "t.toml:3: source.modbus.device: is missing; a serial line",
		"device = '/dev/ttyUSB0'\naddress = 'tcp://h:502'": "t.toml:7: source.modbus.address: stands beside device",
		"address = 'h:502'":                    `t.toml:6: source.modbus.address: "h:502" begins with no known scheme; want "tcp://`,
		"address = 'tcp://h'":                  `t.toml:6: source.modbus.address: "h" is no host and port`,
		"device = 'ttyUSB0'\nbaud = 9601":      "t.toml:7: source.modbus.baud: 9601 is no rate",
		"device = 'ttyUSB0'\ntimout = '1s'":    "t.toml:7: source.modbus.timout: unknown key; did you mean timeout?",
		"device = 'ttyUSB0'\ninterval = '1ms'": "t.toml:7: source.modbus.interval: is 1ms, want 10ms to 24h0m0s",
		"device = 'ttyUSB0'":                   "source.modbus.slave: is missing",
		slave:                                  "t.toml:7: source.modbus.slave[0].register: is missing",
		slave + "[[source.modbus.slave]]\nname = 'n'\nunit_id = 1":                   "t.toml:12: source.modbus.slave[1].unit_id: two slaves have the unit id 1",
		slave + "[[source.modbus.slave]]\nname = 'n'\nunit_id = 0":                   "t.toml:12: source.modbus.slave[1].unit_id: is 0, want 1 to 255",
		slave + "[[source.modbus.slave]]\nname = 'm'\nunit_id = 2":                   "is there twice in this file",
		register("address = 0, type = 'flot32'"):                                     `t.toml:10: source.modbus.slave[0].register[0].type: "flot32" is not known; did you mean "float32"?`,
		register("address = 0, table = 'inputs'"):                                    `table: "inputs" is not known; did you mean "input"?`,
		register("type = 'int16'"):                                                   "register[0].address: is missing",
		register("address = 400001"):                                                 `address: is 400001, want 0 to 65535; addresses here count from 0: the register that a manual calls 40001 is table = "holding", address = 0`,
		register("address = 65535, type = 'int32'"):                                  "address: the value ends at 65536, behind the last register 65535",
		register("address = 0, type = 'string'"):                                     "length: is 0, want 1 to 125 registers",
		register("address = 0, type = 'string', length = 126"):                       "length: is 126, want 1 to 125",
		register("address = 0, length = 2"):                                          "length: is for strings",
		register("address = 0, type = 'bool'"):                                       "bit: is missing",
		register("address = 0, bit = 16"):                                            "bit: is 16, want 0 to 15",
		register("address = 0, table = 'coil', bit = 1"):                             "bit: is of a register",
		register("address = 0, table = 'coil', type = 'int16'"):                      "type: coil is a table of bits",
		register("address = 0, table = 'coil', scale = 2.0"):                         "scale: bool is not scaled",
		register("address = 0, scale = 0"):                                           "scale: is 0, want a number other than 0",
		register("address = 0, scale_address = 125"):                                 "span 126",
		register("address = 0, no_value = ['0x10000']"):                              `no_value: "0x10000" is no pattern of 16 bits`,
		register("address = 0, no_value = ['nan']"):                                  `no_value: "nan" is of floats`,
		register("address = 0, no_value = [0x8000]"):                                 `want a string, have a whole number; write "0x8000"`,
		register("address = 0 }, { name = 'r', address = 1"):                         "is there twice in this file",
		slave + "tags = { slave = 'x' }\nregister = [ { name = 'r', address = 0 } ]": "tags: the tag slave is set already",
	} {
		_, _, err := loadReference(t, modbusHead+text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
		if err != nil && !strings.Contains(want, "missing") && strings.HasPrefix(text, slave) && strings.Contains(text, "register =") && strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: more than one fault:\n%v", text, err)
		}
	}
}

// One serial line has one reader, and a manual's number is warned of.
func TestModbus_betweenSources(t *testing.T) {
	const one = "device = '/dev/ttyUSB0'\n[[source.modbus.slave]]\nname = 'm'\nunit_id = 1\nregister = [ { name = 'r', address = 40001 } ]\n"
	_, warnings, err := loadReference(t, modbusHead+one+"[[source.modbus]]\nname = 'other'\ncollection = 'c'\n"+one)
	if err == nil || !strings.Contains(err.Error(), `source "bus" has opened it; the slaves of one bus`) {
		t.Errorf("got %v", err)
	}
	if !slices.ContainsFunc(warnings, func(f Fault) bool {
		return f.Key == "source.modbus.slave[0].register[0].address" && strings.Contains(f.Hint, "write 0")
	}) {
		t.Errorf("warnings %v", warnings)
	}
}

// Keys of a serial line have no effect over TCP.
func TestModbus_idleKeys(t *testing.T) {
	const slave = "[[source.modbus.slave]]\nname = 'm'\nunit_id = 1\nregister = [ { name = 'r', address = 1 } ]\n"
	_, warnings, err := loadReference(t, modbusHead+"address = 'tcp://h:502'\nbaud = 19200\nparity = 'even'\nstop_bits = 2\nrs485 = true\nturnaround = '5ms'\n"+slave)
	if err != nil || len(warnings) != 5 {
		t.Errorf("%v, warnings %v; want 5", err, warnings)
	}
	_, warnings, err = loadReference(t, modbusHead+"address = 'rtuovertcp://h:502'\nturnaround = '5ms'\n"+slave)
	if err != nil || len(warnings) != 0 {
		t.Errorf("%v, warnings %v; want none", err, warnings)
	}
}

// What config show writes of nested sections reads back as the same.
func TestModbus_shows(t *testing.T) {
	const text = modbusHead + "device = '/dev/ttyUSB0'\n[[source.modbus.slave]]\nname = 'm'\nunit_id = 1\ntags = { a = 'b' }\n" +
		"register = [ { name = 'r', address = 1, bit = 3 }, { name = 's', address = 2, scale = 0.1, no_value = ['0xFFFF'] } ]\n" +
		"[[source.modbus.slave]]\nname = 'n'\nunit_id = 2\nregister = [ { name = 'r', address = 1 } ]\n"
	first, _, err := loadReference(t, text)
	if err != nil {
		t.Fatal(err)
	}
	var shown, again bytes.Buffer
	if err := first.Show(&shown); err != nil {
		t.Fatal(err)
	}
	second, _, err := loadReference(t, shown.String())
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, shown.String())
	}
	if err := second.Show(&again); err != nil {
		t.Fatal(err)
	}
	values := func(text string) (out []string) {
		for line := range strings.Lines(text) {
			value, _, _ := strings.Cut(line, "  #")
			if !strings.HasPrefix(value, "data_dir") && !strings.HasPrefix(value, "identity_file") && !strings.HasPrefix(value, "socket") {
				out = append(out, strings.TrimSpace(value))
			}
		}
		return out
	}
	if a, b := values(shown.String()), values(again.String()); !slices.Equal(a, b) || !slices.Contains(a, `tags = { "a" = "b" }`) || !slices.Contains(a, "bit = 3") {
		t.Errorf("shown first\n%s\nthen\n%s", shown.String(), again.String())
	}
}
