package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// good is a configuration with one of everything.
const good = `[gateway]
name = "pump"

[mqtt.broker]
listen = "127.0.0.1:1883"

[[collection]]
name = "climate"
precision = "us"
max_delay = "5s"

[[source.mqtt]]
name = "meters"
broker = "inside"
topics = ["site/{site}/{sensor}"]
format = "json"
time = "ts"
time_unit = "ms"
collection = "climate"
scale = { temp = 0.1 }
dedup = "series_time"

[[source.serial]]
name = "weather"
device = "/dev/ttyUSB0"
format = "keyvalue"
collection = "climate"
`

// loadText loads texts named a.toml, b.toml, …, the first one being the main file, in /etc/skerry.
func loadText(texts ...string) (*Config, []Fault, error) {
	l := loader{dir: "/etc/skerry", hostname: "host", stat: os.Stat, lookup: func(name string) (string, bool) {
		value, ok := map[string]string{"SET": "set", "EMPTY": ""}[name]
		return value, ok
	}}
	for i, text := range texts {
		l.files = append(l.files, source{string(rune('a'+i)) + ".toml", []byte(text)})
	}
	return l.load()
}

func mustLoad(t *testing.T, texts ...string) *Config {
	t.Helper()
	cfg, warnings, err := loadText(texts...)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("load: %v; warnings %v", err, warnings)
	}
	return cfg
}

// wantLines compares what was found with the lines wanted.
func wantLines(t *testing.T, found []Fault, want ...string) {
	t.Helper()
	got := []string{}
	for _, f := range found {
		got = append(got, f.String())
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// wantFaults compares the faults of a load with the lines wanted.
func wantFaults(t *testing.T, err error, want ...string) {
	t.Helper()
	var faults Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("err = %v, want Faults", err)
	}
	wantLines(t, faults, want...)
}

func TestLoad_everySection(t *testing.T) {
	cfg := mustLoad(t, good)
	if cfg.Gateway.Name != "pump" || cfg.Gateway.DataDir != "/etc/skerry/data" || cfg.API.Socket != "/etc/skerry/skerry.sock" {
		t.Errorf("gateway = %+v, api = %+v", cfg.Gateway, cfg.API)
	}
	c := cfg.Collections[0]
	if c.Name != "climate" || c.Precision != "us" || c.MaxDelay != 5*time.Second || c.MaxReadings != 4096 {
		t.Errorf("collection = %+v", c)
	}
	m := cfg.Source.MQTT[0]
	if m.Door.QoS != 1 || m.Decode.Time != "ts" || m.Decode.Scale["temp"] != 0.1 || m.Target.DedupWindow != 10*time.Minute || !*m.Decode.TagSource {
		t.Errorf("source = %+v", m)
	}
	if s := cfg.Source.Serial[0]; s.Port.Baud != 9600 || s.Decode.Format != "keyvalue" || s.Target.Collection != "climate" {
		t.Errorf("source = %+v", s)
	}
}

func TestLoad_emptyFileIsFine(t *testing.T) {
	cfg := mustLoad(t, "")
	if cfg.Gateway.Name != "host" || cfg.MQTT.Broker.Listen != "" || cfg.SourceCount() != 0 {
		t.Errorf("cfg = %+v", cfg)
	}
}

func TestLoad_dropInsOverride(t *testing.T) {
	cfg := mustLoad(t, good,
		"gateway.name = 'renamed'\n[[collection]]\nname = 'more'\n[[source.mqtt]]\nname = 'meters'\ntopics = ['other']\nscale.hum = 2\n",
		"[[collection]]\nname = 'climate'\npriority = 'alarm'\n[gateway]\nname = 'again'\n")
	if cfg.Gateway.Name != "again" {
		t.Errorf("name = %q, want that of the last file", cfg.Gateway.Name)
	}
	if c := cfg.Collections; len(c) != 2 || c[0].Precision != "us" || c[0].Priority != "alarm" || c[1].Name != "more" {
		t.Errorf("collections = %+v", c)
	}
	m := cfg.Source.MQTT
	if len(m) != 1 || m[0].Door.Topics[0] != "other" || m[0].Door.Broker != "inside" {
		t.Errorf("sources = %+v", m)
	}
	if diff := cmp.Diff(map[string]float64{"temp": 0.1, "hum": 2}, m[0].Decode.Scale); diff != "" {
		t.Errorf("scale (-want +got)\n%s", diff)
	}
}

func TestLoad_allFaultsAtOnce(t *testing.T) {
	_, _, err := loadText(`[gatway]
name = "x"
[gateway]
name = 5
dat_dir = "x"
[log]
level = "loud"
[store]
interval = 10
ack_max_wait = "1 hour"
[[collection]]
name = "climate"
max_readings = 0
precision = "ms"
kind = "events"
extra = true
[[collection]]
precision = "days"
priority = "high"
[[source.serial]]
name = "s"
device = "/dev/ttyS0"
baud = 9601
format = "keyvalue"
collection = "climat"
password = "hunter2"
`, `[[source.mqtt]]
name = "m"
broker = "inside"
topics = "a/b"
format = "json"
qos = 99999999999999999999
password = "hunter2"
`)
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("err = %v", err)
	}
	want := []string{
		"a.toml:1: gatway: unknown section; did you mean gateway?",
		`a.toml:4: gateway.name: want a string, have a whole number; write "5"`,
		"a.toml:5: gateway.dat_dir: unknown key; did you mean data_dir?",
		`a.toml:7: log.level: "loud" is not known; want "debug", "info", "warn" or "error"`,
		`a.toml:9: store.interval: want a duration, have a whole number; write a string with its unit, such as "10s"`,
		`a.toml:10: store.ack_max_wait: "1 hour" is no duration; write a number with its unit: "500ms", "10s", "2m", "1h30m"`,
		"a.toml:13: collection.max_readings: 0 is out of range; want 1 to 65536",
		"a.toml:16: collection.extra: unknown key; known here: name, kind, precision, max_readings, max_bytes, max_delay, priority, seal",
		`a.toml:17: collection.name: name is empty; write name = "climate"`,
		`a.toml:18: collection.precision: "days" is not known; want "ms", "us" or "ns"`,
		`a.toml:19: collection.priority: "high" is not known; want "low", "normal" or "alarm", or leave it out`,
		"a.toml:23: source.serial.baud: 9601 is no rate of a serial port",
		`a.toml:25: source.serial.collection: there is no collection "climat"; did you mean "climate"? Otherwise add a section [[collection]] with name = "climat"`,
		"a.toml:26: source.serial.password: unknown key",
		"b.toml:1: source.mqtt.collection: is missing; name the [[collection]] that the readings go to: collection = \"climate\"",
		`b.toml:3: source.mqtt.broker: the broker inside is off; turn it on: [mqtt.broker] with listen = "127.0.0.1:1883"`,
		"b.toml:4: source.mqtt.topics: want an array, have a string; write [ … ]",
		"b.toml:6: source.mqtt.qos: 99999999999999999999 is out of range",
		"b.toml:7: source.mqtt.password: unknown key; secrets come from files: write the path of one to password_file",
	}
	got := []string{}
	for _, f := range faults {
		line := f.String()
		if strings.Contains(line, "baud") {
			line, _, _ = strings.Cut(line, ";") // a long list
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoad_syntax(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no value":        {"[gateway]\nname =\n", []string{"a.toml:2: is not TOML"}},
		"no end":          {"[gateway]\nname = \"x\n", []string{"a.toml:2: is not TOML"}},
		"bad number":      {"\n[store]\ninterval = 012\n", []string{"a.toml:3: is not TOML"}},
		"key twice":       {"[gateway]\nname = 'a'\nname = 'b'\n[log]\nlevel='info'\nlevel='warn'\n", []string{"a.toml:3: name: is there twice; it stands at line 2 too", "a.toml:6: level: is there twice; it stands at line 5 too"}},
		"section twice":   {"[gateway]\n[log]\n[gateway]\n", []string{"a.toml:3: gateway: is there twice; it stands at line 1 too, as a section"}},
		"list as section": {"[[collection]]\nname='a'\n[collection]\n", []string{"a.toml:3: collection: is there twice; it stands at line 1 too, as a list of sections"}},
		"dots":            {"gateway.name = 'a'\n[gateway]\n", []string{"a.toml:2: gateway: is there twice; it stands at line 1 too, as a section"}},
		"not UTF-8":       {"[gateway]\nname = \"\xff\"\n", []string{"a.toml:2: is not TOML"}},
		"name twice":      {"[[collection]]\nname='a'\n[[collection]]\nname='a'\n", []string{"a.toml:4: collection.name: is there twice in this file: \"a\"; the first stands at line 1"}},
	} {
		_, _, err := loadText(c.text)
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != len(c.want) {
			t.Errorf("%s: err = %v, want %d faults", name, err, len(c.want))
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(faults[i].String(), want) {
				t.Errorf("%s: fault %q, want %q", name, faults[i], want)
			}
		}
	}
}

func TestLoad_expandsEnvironment(t *testing.T) {
	cfg := mustLoad(t, `gateway.name = "a-${SET}-${UNSET:-b}-${EMPTY:-c}-${EMPTY}-$${SET}-$5"`)
	if want := "a-set-b-c--${SET}-$5"; cfg.Gateway.Name != want {
		t.Errorf("name = %q, want %q", cfg.Gateway.Name, want)
	}
	_, _, err := loadText("[gateway]\nname = '${UNSET}'\ndata_dir = '${SET'\n[api]\nsocket = '${S T}'\n")
	const hint = "; write ${NAME:-default}, or set the variable; $${ is a plain ${"
	wantFaults(t, err,
		"a.toml:2: gateway.name: the environment variable UNSET is not set"+hint,
		"a.toml:3: gateway.data_dir: a ${ has no }"+hint,
		`a.toml:5: api.socket: "${S T}" names no environment variable`+hint)
}

func TestLoad_references(t *testing.T) {
	_, _, err := loadText(strings.Replace(good, `name = "weather"`, `name = "meters"`, 1))
	wantFaults(t, err, `a.toml:24: source.serial.name: two sources are named "meters"; the first stands at a.toml:12; the name is a tag of every reading, so rename one`)
	_, _, err = loadText(strings.Replace(good, `dedup = "series_time"`, "dedup = 'x'\ndedup_window = '1ms'\nseries = '{nope}'", 1))
	wantFaults(t, err,
		`a.toml:21: source.mqtt.dedup: "x" is not known; want "series_time", or leave it out`,
		`a.toml:22: source.mqtt.dedup_window: 1ms is out of range; want 1s to 24h0m0s`)
	_, _, err = loadText(strings.Replace(good, `dedup = "series_time"`, "series = '{nope}'", 1))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 1 || !strings.HasPrefix(faults[0].String(), "a.toml:21: source.mqtt.series: ") {
		t.Errorf("err = %v, want one fault of series", err)
	}
	_, _, err = loadText("[api]\nlisten = '127.0.0.1:7380'\nsocket = ''\n")
	wantFaults(t, err,
		`a.toml:3: api.socket: is empty; write socket = "skerry.sock"`)
}

func TestLoad_warnings(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	mqttSource := func(name, more string) string {
		return "[[source.mqtt]]\nname='" + name + "'\nbroker='tcp://b'\nformat='value'\ncollection='c'\n" + more
	}
	_, warnings, err := loadText("[[collection]]\nname='c'\n" +
		mqttSource("a", "topics=['+/x']\nclient_id='one'\n") +
		mqttSource("b", "topics=['+/x']\nseries='{topic.1}'\nclient_id='one'\n") +
		mqttSource("c", "topics=['{y}/x']\nusername='u'\npassword_file='"+open+"'\n") +
		mqttSource("d", "topics=['y/#']\nusername='u'\npassword_file='none'\ntags.t='{topic}'\n"))
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, warnings,
		`a.toml:8: source.mqtt.topics: what + and # stand for is lost: no template uses it; name the level, as in "site/{site}/temp", or use {topic} or {topic.2} in series or tags`,
		`a.toml:17: source.mqtt.client_id: source "a" uses "one" too: a broker throws one of the two out again and again; give each its own, or leave client_id out`,
		`a.toml:25: source.mqtt.password_file: everyone on this machine can read `+open+"; chmod 600 "+open,
		`a.toml:33: source.mqtt.password_file: there is no file /etc/skerry/none`)
}

func TestLoad_files(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, FileName)
	_, _, err := Load(main)
	var missing *FileError
	if !errors.As(err, &missing) || !errors.Is(err, fs.ErrNotExist) || missing.Hint() == "" {
		t.Errorf("err = %v, want a FileError with a hint", err)
	}
	write(FileName, "gateway.name = 'main'\n")
	write("skerry.d/20-b.toml", "[gateway]\nname = 'b'\nidentity_file = 'k'\n")
	write("skerry.d/10-a.toml", "[gateway]\nname = 'a'\ndata_dir = 'd'\n")
	write("skerry.d/.hidden.toml", "nonsense")
	write("skerry.d/notes.txt", "nonsense")
	cfg, _, err := Load(main)
	if err != nil {
		t.Fatal(err)
	}
	want := Gateway{Name: "b", DataDir: filepath.Join(dir, "d"), IdentityFile: filepath.Join(dir, "k")}
	if diff := cmp.Diff(want, cfg.Gateway); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	write("skerry.d/30-c.toml", "x = 1\n")
	_, _, err = Load(main)
	wantFaults(t, err, filepath.Join(dir, "skerry.d/30-c.toml")+":1: x: unknown key; known here: gateway, log, api, store, mqtt, collection, source")
}
