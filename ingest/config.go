package ingest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// KindEvents is the kind of a collection of sensor readings.
const KindEvents = "events"

// CollectionConfig is one section [[collection]]. A block is sealed when any of its limits is reached.
type CollectionConfig struct {
	Name        string        `toml:"name"`
	Kind        string        `toml:"kind"`         // KindEvents
	Precision   string        `toml:"precision"`    // "ms", "us" or "ns": times are rounded to it before the journal
	MaxReadings int           `toml:"max_readings"` // in a block
	MaxBytes    int           `toml:"max_bytes"`    // of a block's payload
	MaxDelay    time.Duration `toml:"max_delay"`    // from a reading to its block
	Priority    string        `toml:"priority"`     // "", "low", "normal" or "alarm"; alarm seals within 1 s and on idle
	Seal        string        `toml:"seal"`         // "" or "fast": seals within 1 s and on idle
}

// The bounds of a CollectionConfig.
const (
	maxReadings = 65536
	minBytes    = 1 << 10
	maxBytes    = 192 << 10
	minDelay    = 100 * time.Millisecond
	maxDelay    = time.Hour
)

// DefaultCollectionConfig returns a collection without a name.
func DefaultCollectionConfig() CollectionConfig {
	return CollectionConfig{
		Kind: KindEvents, Precision: "ms", MaxReadings: 4096, MaxBytes: 64 << 10, MaxDelay: 10 * time.Second,
	}
}

// Digits returns the precision that the configuration names.
func (c CollectionConfig) Digits() sensors.Precision {
	switch c.Precision {
	case "us":
		return sensors.Microseconds
	case "ns":
		return sensors.Nanoseconds
	default:
		return sensors.Milliseconds
	}
}

// SealsFast reports whether readings are sealed within a second and on idle.
func (c CollectionConfig) SealsFast() bool { return c.Priority == "alarm" || c.Seal == "fast" }

// Validate reports every fault: the key, what is wrong with it and what to do.
func (c CollectionConfig) Validate(report func(key, what, hint string)) {
	if err := sensors.CheckName(c.Name); err != nil {
		report("name", err.Error(), `write name = "climate"`)
	}
	oneOf := func(key, value string, words ...string) {
		if !slices.Contains(words, value) {
			report(key, fmt.Sprintf("%q is not known", value), want(words))
		}
	}
	oneOf("kind", c.Kind, KindEvents)
	oneOf("precision", c.Precision, "ms", "us", "ns")
	oneOf("priority", c.Priority, "", "low", "normal", "alarm")
	oneOf("seal", c.Seal, "", "fast")
	if c.MaxReadings < 1 || c.MaxReadings > maxReadings {
		report("max_readings", fmt.Sprintf("%d is out of range", c.MaxReadings), fmt.Sprintf("want 1 to %d", maxReadings))
	}
	if c.MaxBytes < minBytes || c.MaxBytes > maxBytes {
		report("max_bytes", fmt.Sprintf("%d is out of range", c.MaxBytes), fmt.Sprintf("want %d to %d", minBytes, maxBytes))
	}
	if c.MaxDelay < minDelay || c.MaxDelay > maxDelay {
		report("max_delay", fmt.Sprintf("%v is out of range", c.MaxDelay), fmt.Sprintf("want %v to %v", minDelay, maxDelay))
	}
}

// want says for people which words a key may have. "" among them: it may be left out.
func want(words []string) string {
	var quoted []string
	for _, word := range words {
		if word != "" {
			quoted = append(quoted, fmt.Sprintf("%q", word))
		}
	}
	last := len(quoted) - 1
	text := "want " + quoted[last]
	if last > 0 {
		text = "want " + strings.Join(quoted[:last], ", ") + " or " + quoted[last]
	}
	if len(quoted) < len(words) {
		text += ", or leave it out"
	}
	return text
}
