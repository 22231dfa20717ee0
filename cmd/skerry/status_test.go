package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/api/apitest"
)

func TestStatus_golden(t *testing.T) {
	now := time.Unix(0, viewTime).UTC()
	m := apitest.NewMemory(api.ID{Name: "pump-house-3", Peer: "12D3KooWGate"})
	m.SetStatus(api.Status{
		Name: "pump-house-3", Peer: "12D3KooWGate", Version: "v0.1.0", Started: now.Add(-50 * time.Hour), Folder: "/var/lib/skerry",
		Parts: api.Parts{
			Sources: []api.SourceStatus{
				{
					Name: "meters", Kind: "mqtt", State: "connected", Since: now.Add(-90 * time.Minute), Offered: 1500, Decoded: 1480,
					Rejected: map[api.Reason]uint64{"syntax": 1, "time": 12, "value": 0}, Repeats: 7, Readings: 2960, Filtered: 50, Bytes: 91_234,
					Samples: []api.Sample{{Reason: "time", What: "ts: missing", Bytes: `{\"v\": 1}`, Time: now.Add(-time.Minute)}},
				},
				{
					Name: "weather", Kind: "serial", State: "retrying", Text: "open /dev/ttyUSB0: permission denied", Hint: "add the user to the group dialout",
					Since: now.Add(-3 * time.Second),
				},
			},
			Broker: &api.Broker{Listen: "127.0.0.1:1883", Clients: 1, Messages: 1500, Acked: 1490, Passed: 3},
			Ingest: api.Ingest{Decoded: 2960, Stored: 2900, Filtered: 50, Lost: 2, Refused: 1, Groups: 800, Unsealed: 40},
			Store:  api.Store{Format: 1, Blocks: 1, Readings: 2860, Journal: 8 << 20},
		},
		Queues: []api.Queue{{Name: "offered", Length: 30, Capacity: 6 << 20, Dropped: 2}},
		Disk:   api.Disk{Used: 12_345_678, Free: 999},
		Clock:  api.Clock{Time: now, Quality: "unsynced"},
		Memory: api.Memory{Anonymous: 21_000_000, Resident: 80_100_000},
		Health: []api.Health{{Code: "clock_unsynced", Since: now.Add(-time.Hour), Text: "the clock was never set", Hint: "is NTP reachable?"}},
	})
	code, stdout, stderr := skerry(t, "status", "--socket", serveViews(t, m))
	want := `pump-house-3  12D3KooWGate

! clock_unsynced: the clock was never set (since 2026-08-20 13:00:00 CEST)
    hint: is NTP reachable?

running   2 d 2 h, since 2026-08-18 12:00:00 CEST, version v0.1.0
clock     2026-08-20 14:00:00 CEST, unsynced
folder    /var/lib/skerry
disk      12.3 MB used, 999 B free
memory    21.0 MB own, 80.1 MB with mapped files
ingest    2,960 readings decoded: 2,900 stored, 50 filtered, 2 lost, 1 refused; 7 under way
commits   800 groups; 40 readings not yet in a block
store     1 block with 2,860 readings, journal 8.4 MB
broker    127.0.0.1:1883, 1 client, 1,500 messages received, 1,490 acknowledged, 3 passed on

SOURCE   KIND    STATE      FOR         INPUTS  DECODED  REJECTED  REPEATS  READINGS  FILTERED    BYTES
meters   mqtt    connected  1 h 30 min   1,500    1,480        13        7     2,960        50  91.2 kB
weather  serial  retrying   3 s              0        0         0        0         0         0      0 B
meters: rejected 12 inputs for time; the latest at 2026-08-20 13:59:00 CEST: ts: missing
    {\"v\": 1}
meters: rejected 1 input for syntax
weather: open /dev/ttyUSB0: permission denied
    hint: add the user to the group dialout

QUEUE    LENGTH  CAPACITY  DROPPED
offered    30 B    6.3 MB        2
`
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	if diff := cmp.Diff(want, stdout); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestHuman_texts(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := countText(n); got != want {
			t.Errorf("count %d: got %s, want %s", n, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1 << 63: "9.2 EB"} {
		if got := sizeText(n); got != want {
			t.Errorf("size %d: got %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-1: "0 s", 59 * time.Second: "59 s", 61 * time.Second: "1 min 1 s", 25 * time.Hour: "1 d 1 h", time.Hour + 1: "1 h 0 min"} {
		if got := spanText(d); got != want {
			t.Errorf("span %d: got %s, want %s", d, got, want)
		}
	}
}
