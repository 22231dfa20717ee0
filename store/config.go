package store

import (
	"fmt"
	"time"
)

// The words of Config.Durability.
const (
	DurabilitySync     = "sync"     // every group of readings is synced at once
	DurabilityInterval = "interval" // groups of input that cannot wait are held for a while, to spare the disk
)

// Config is the section [store].
type Config struct {
	// Durability is DurabilitySync, DurabilityInterval or "": then the profile decides, else it is sync.
	Durability string `toml:"durability"`
	// Interval is how long a group of serial and QoS 0 input is held with durability "interval"; it is what a power cut
	// may cost. A message that waits for its acknowledgement is held for AckMaxWait at most.
	Interval   time.Duration `toml:"interval"`
	AckMaxWait time.Duration `toml:"ack_max_wait"`
	// Profile is "" or "sdcard", which means durability "interval".
	Profile string `toml:"profile"`
}

// The bounds of a Config's durations.
const (
	minInterval   = time.Second
	maxInterval   = 10 * time.Minute
	minAckMaxWait = 10 * time.Millisecond
	maxAckMaxWait = 30 * time.Second
)

// DefaultConfig returns the section as it is when the file does not have it.
func DefaultConfig() Config {
	return Config{Durability: "", Interval: 10 * time.Second, AckMaxWait: time.Second}
}

// Sync reports whether every group is synced at once.
func (c Config) Sync() bool {
	if c.Durability == "" {
		return c.Profile != "sdcard"
	}
	return c.Durability == DurabilitySync
}

// Validate reports every fault: the key, what is wrong with it and what to do.
func (c Config) Validate(report func(key, what, hint string)) {
	switch c.Durability {
	case "", DurabilitySync, DurabilityInterval:
	default:
		report("durability", fmt.Sprintf("%q is not known", c.Durability), `want "sync" or "interval"`)
	}
	switch c.Profile {
	case "", "sdcard":
	default:
		report("profile", fmt.Sprintf("%q is not known", c.Profile), `want "sdcard", or leave it out`)
	}
	if c.Interval < minInterval || c.Interval > maxInterval {
		report("interval", fmt.Sprintf("%v is out of range", c.Interval), fmt.Sprintf("want %v to %v", minInterval, maxInterval))
	}
	if c.AckMaxWait < minAckMaxWait || c.AckMaxWait > maxAckMaxWait {
		report("ack_max_wait", fmt.Sprintf("%v is out of range", c.AckMaxWait), fmt.Sprintf("want %v to %v", minAckMaxWait, maxAckMaxWait))
	}
}
