package config

import "testing"

// TestLoad_warnsOfIdleKeys: a key that changes nothing beside the others is hardly meant.
func TestLoad_warnsOfIdleKeys(t *testing.T) {
	_, warnings, err := loadText(`[store]
interval = "5s"
ack_max_wait = "2s"
profile = "sdcard"
durability = "sync"
[mqtt.broker]
listen = "127.0.0.1:1883"
[[collection]]
name = "c"
[[source.mqtt]]
name = "m"
broker = "inside"
topics = ["a"]
format = "value"
collection = "c"
qos = 1
keep_alive = "10s"
max_inflight = 5
dedup_window = "5s"
[[source.serial]]
name = "s"
device = "/dev/ttyS0"
format = "value"
collection = "c"
delimiter = ";"
length = 7
silence = "30ms"
[[source.serial]]
name = "default"
device = "/dev/ttyS1"
format = "value"
collection = "c"
silence = "50ms"
`)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, warnings,
		`a.toml:2: store.interval: has no effect with durability "sync"; remove it`,
		`a.toml:3: store.ack_max_wait: has no effect with durability "sync"; remove it`,
		`a.toml:4: store.profile: has no effect with durability "sync"; remove it`,
		`a.toml:17: source.mqtt.keep_alive: has no effect with broker = "inside"; remove it`,
		`a.toml:18: source.mqtt.max_inflight: has no effect with broker = "inside", which has a max_inflight of its own; remove it`,
		`a.toml:19: source.mqtt.dedup_window: has no effect without dedup; remove it`,
		`a.toml:25: source.serial.delimiter: has no effect with framing = "line"; remove it`,
		`a.toml:26: source.serial.length: has no effect with framing = "line"; remove it`,
		`a.toml:27: source.serial.silence: has no effect with framing = "line"; remove it`)
	_, warnings, err = loadText(`[store]
interval = "5s"
profile = "sdcard"
[[collection]]
name = "c"
[[source.serial]]
name = "s"
device = "/dev/ttyS0"
format = "value"
collection = "c"
framing = "length"
length = 7
silence = "30ms"
dedup = "series_time"
dedup_window = "5s"
`)
	if err != nil || len(warnings) > 0 {
		t.Errorf("keys that have an effect: %v, %v", warnings, err)
	}
}
