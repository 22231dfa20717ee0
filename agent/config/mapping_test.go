package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
)

const mapped = `[[collection]]
name = "c"
[[source.serial]]
name = "s"
device = "/dev/ttyS0"
format = "keyvalue"
collection = "c"
rename = { t = "temp" }
`

func TestLoad_maps(t *testing.T) {
	cfg := mustLoad(t, mapped+`[[source.serial.map]]
match = "temp*"
type = "float"
deadband = 0.2
deadband_percent = 1
heartbeat = "10m"
min_interval = "10s"
[[source.serial.map]]
match = "door"
type = "bool"
on_change = true
`, `[[source.serial]]
name = "s"
[[source.serial.map]]
match = "temp*"
deadband = 0.5
[[source.serial.map]]
match = "hum"
on_change = true
`)
	target := cfg.Source.Serial[0].Target
	if diff := cmp.Diff(map[string]ingest.Rule{
		"temp*": {Deadband: 0.5, DeadbandPercent: 1, Heartbeat: 10 * time.Minute, MinInterval: 10 * time.Second},
		"door":  {OnChange: true},
		"hum":   {OnChange: true},
	}, target.Rules()); diff != "" {
		t.Errorf("rules (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]sensors.Type{"temp*": sensors.Float, "door": sensors.Bool, "hum": 0}, target.Types()); diff != "" {
		t.Errorf("types (-want +got)\n%s", diff)
	}
	var shown strings.Builder
	if err := cfg.Show(&shown); err != nil {
		t.Fatal(err)
	}
	again := mustLoad(t, shown.String())
	if diff := cmp.Diff(target, again.Source.Serial[0].Target); diff != "" {
		t.Errorf("what is shown reads back as something else (-want +got)\n%s\n%s", diff, shown.String())
	}
	if !strings.Contains(shown.String(), "# b.toml:5") {
		t.Errorf("the drop-in's line is not told:\n%s", shown.String())
	}
}

func TestLoad_faultyMaps(t *testing.T) {
	_, _, err := loadText(mapped + `[[source.serial.map]]
match = "a"
deadband = -1
deadband_percent = 101
heartbeat = "5s"
min_interval = "10s"
[[source.serial.map]]
match = "b"
type = "bool"
deadband = 1
deadband_percent = 1
[[source.serial.map]]
match = "a"
[[source.serial.map]]
type = "number"
dead_band = 1
[[source.serial.map]]
match = "c"
deadband = nan
heartbeat = "-1s"
min_interval = "-1s"
`)
	wantFaults(
		t, err,
		"a.toml:11: source.serial.map.deadband: -1 is no change of a value; want a positive number, in the value's unit",
		"a.toml:12: source.serial.map.deadband_percent: 101 is out of range; want 0 to 100, of the last value that was kept",
		"a.toml:13: source.serial.map.heartbeat: 5s is less than min_interval, 10s; a reading cannot be due before it may come",
		`a.toml:18: source.serial.map.deadband: type "bool" has no distance between values; write on_change = true`,
		`a.toml:19: source.serial.map.deadband_percent: type "bool" has no distance between values; write on_change = true`,
		`a.toml:21: source.serial.map.match: is there twice in this file: "a"; the first stands at line 9; rename one, or change it in a drop-in`,
		`a.toml:22: source.serial.map.match: is missing; name the series, or a glob of names: match = "temp*"`,
		`a.toml:23: source.serial.map.type: "number" is not known; want "float", "int", "bool" or "string", or leave it out`,
		"a.toml:24: source.serial.map.dead_band: unknown key; did you mean deadband?",
		"a.toml:27: source.serial.map.deadband: NaN is no change of a value; want a positive number, in the value's unit",
		"a.toml:28: source.serial.map.heartbeat: -1s is negative",
		"a.toml:29: source.serial.map.min_interval: -1s is negative",
	)
}

func TestLoad_mapsThatDoNothing(t *testing.T) {
	_, warnings, err := loadText(mapped + `[[source.serial.map]]
match = "t"
on_change = true
[[source.serial.map]]
match = "_x"
on_change = true
[[source.serial.map]]
match = "lone"
[[source.serial.map]]
match = "hum"
deadband = 1
on_change = true
[[source.serial.map]]
match = "wind"
min_interval = "1s"
heartbeat = "1m"
[[source.serial.map]]
match = "raw*"
type = "float"
[[source.serial.map]]
match = "raw.1"
`)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(
		t, warnings,
		`a.toml:10: source.serial.map.match: no series of this source can have such a name; it is renamed: write match = "temp"`,
		"a.toml:13: source.serial.map.match: no series has such a name: names beginning with _ are reserved; write the series' name as query shows it",
		"a.toml:16: source.serial.map.match: nothing is said of what it matches; set type, deadband, deadband_percent, on_change or min_interval",
		"a.toml:20: source.serial.map.on_change: has no effect beside a deadband; remove it",
		"a.toml:24: source.serial.map.heartbeat: has no effect without on_change or a deadband; remove it",
	)
}
