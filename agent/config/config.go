// Package config reads the configuration with its drop-ins and remembers where each value stands.
//
// The sections' types, defaults and checks belong to the parts that they configure; this package knows TOML, positions
// and how files are put over one another:
//
//	skerry.toml, then skerry.d/*.toml in name order -> a tree each (parse)
//	${NAME:-default} in strings                     -> expand
//	one tree: scalars replace, [[x]] entries add    -> merge
//	the sections' types                             -> decode, then validate
//
// Every step goes on after a fault, so that all of them are told at once.
package config

import (
	"fmt"
	"time"

	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
	"github.com/skerry-edge/skerry/sensors/modbus"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/serial"
	"github.com/skerry-edge/skerry/store"
)

// FileName is the configuration's name in a gateway's folder.
const FileName = "skerry.toml"

// Config is the whole configuration, checked, with absolute paths. Immutable after Load.
type Config struct {
	Gateway     Gateway                   `toml:"gateway"`
	Log         Log                       `toml:"log"`
	API         API                       `toml:"api"`
	Store       store.Config              `toml:"store"`
	MQTT        MQTT                      `toml:"mqtt"`
	Collections []ingest.CollectionConfig `toml:"collection"`
	Source      Sources                   `toml:"source"`

	file string // as given to Load
	tree *element
}

// Gateway is the section [gateway].
type Gateway struct {
	Name         string `toml:"name"`          // for people, default the machine's; the key is what identifies a gateway
	DataDir      string `toml:"data_dir"`      // the store
	IdentityFile string `toml:"identity_file"` // the key
	TrustClock   bool   `toml:"trust_clock"`   // take the clock as right though the kernel does not say so
}

// Log is the section [log].
type Log struct {
	Level  string `toml:"level"`  // "debug", "info", "warn", "error"
	Format string `toml:"format"` // "text", "json"
}

// MQTT holds the sections [mqtt.broker] and [[mqtt.acl]].
type MQTT struct {
	Broker mqtt.BrokerConfig `toml:"broker"`
	ACL    []mqtt.ACLRule    `toml:"acl"`
}

// Sources holds the sections [[source.…]].
type Sources struct {
	MQTT   []MQTTSource   `toml:"mqtt"`
	Serial []SerialSource `toml:"serial"`
	Modbus []ModbusSource `toml:"modbus"`
}

// MQTTSource is one section [[source.mqtt]]: the door's keys, the decoder's, and where the readings go.
type MQTTSource struct {
	Door   mqtt.SourceConfig `toml:",inline"`
	Decode decode.Config     `toml:",inline"`
	Target Target            `toml:",inline"`
}

// SerialSource is one section [[source.serial]]: the line's keys, the decoder's, and where the readings go.
type SerialSource struct {
	Port   serial.Config `toml:",inline"`
	Decode decode.Config `toml:",inline"`
	Target Target        `toml:",inline"`
}

// ModbusSource is one section [[source.modbus]]: what is polled, the serial line's keys, and where the readings go.
type ModbusSource struct {
	Bus    modbus.Config     `toml:",inline"`
	Line   serial.LineConfig `toml:",inline"`
	Target Target            `toml:",inline"`
}

// Target says where a source's readings go.
type Target struct {
	Collection  string        `toml:"collection"`
	Dedup       string        `toml:"dedup"`        // "" or DedupSeriesTime
	DedupWindow time.Duration `toml:"dedup_window"` // how far back a repeat is recognised
	Maps        []Map         `toml:"map"`
}

// Map is one entry [[source.….map]]: what becomes of the series that it matches. Of a source's entries one applies to a
// series: the one with its exact name, else the one with the longest glob. An entry's Match is what a name is elsewhere:
// it tells entries apart, and a later file's entry overrides the keys of the one with the same.
type Map struct {
	Match  string      `toml:"match"` // a series' name, or a glob of names
	Type   string      `toml:"type"`  // "", "float", "int", "bool" or "string"
	Filter ingest.Rule `toml:",inline"`
}

// Types returns the types that values become, by the maps' Match.
func (t Target) Types() map[string]sensors.Type {
	types := map[string]sensors.Type{}
	for _, m := range t.Maps {
		types[m.Match], _ = decode.TypeOf(m.Type)
	}
	return types
}

// Rules returns what is filtered, by the maps' Match; nothing when no map filters.
func (t Target) Rules() map[string]ingest.Rule {
	rules, filters := map[string]ingest.Rule{}, false
	for _, m := range t.Maps {
		rules[m.Match] = m.Filter
		filters = filters || m.Filter.Filters()
	}
	if !filters {
		return nil
	}
	return rules
}

// DedupSeriesTime is the value of Target.Dedup that drops a reading whose series, time and value were there within the window.
const DedupSeriesTime = "series_time"

// Default returns the configuration of an empty file, with relative paths.
func Default() *Config {
	return &Config{
		Gateway: Gateway{DataDir: "data", IdentityFile: "identity.key"},
		Log:     Log{Level: "info", Format: "text"},
		API:     API{Socket: "skerry.sock", TokenFile: defaultTokenFile},
		Store:   store.DefaultConfig(),
		MQTT:    MQTT{Broker: mqtt.DefaultBrokerConfig()},
	}
}

// SourceCount returns the number of sources.
func (c *Config) SourceCount() int {
	return len(c.Source.MQTT) + len(c.Source.Serial) + len(c.Source.Modbus)
}

// File returns the configuration's file as it was given to Load.
func (c *Config) File() string { return c.file }

// Where says where the configuration has a key, as "FILE:LINE"; where it has it not, "FILE".
func (c *Config) Where(key string) string {
	if c.tree == nil {
		return c.file
	}
	if n, exact := c.tree.find(key); exact {
		return fmt.Sprintf("%s:%d", n.pos.file, n.pos.line)
	}
	return c.file
}
