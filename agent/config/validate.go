package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/serial"
)

// The bounds that this package's own sections have.
const (
	maxGatewayName = 64  // bytes
	maxSocketPath  = 107 // bytes, by Linux
	maxHostName    = 253 // bytes, by DNS
	minDedupWindow = time.Second
	maxDedupWindow = 24 * time.Hour
)

// A validator asks every part about its section and checks what holds between sections.
type validator struct {
	cfg        *Config
	refused    []Fault // found before: their keys have their defaults
	incomplete bool    // a file could not be read to its end: what is absent may stand behind it
	stat       func(string) (fs.FileInfo, error)
	faults     []Fault
	warnings   []Fault
}

// reporter returns what a part's Validate calls. section is where the part's keys stand, key its name.
func (v *validator) reporter(section *element, key string, list *[]Fault) func(key, what, hint string) {
	return func(below, what, hint string) {
		at, exact := section, true
		if below != "" {
			at, exact = section.find(below)
		}
		full := joinKey(key, below)
		if below == "" {
			full = key
		}
		if exact && (hasFault(v.refused, at.pos, full) || hasFault(v.refused, at.pos, withoutIndexes(full))) || !exact && v.incomplete {
			return
		}
		*list = append(*list, faultAt(at.pos, full, what, hint))
	}
}

// withoutIndexes returns "a.b" for "a[0].b": the decoder's faults do not count entries.
func withoutIndexes(key string) string {
	for {
		before, rest, found := strings.Cut(key, "[")
		_, after, closed := strings.Cut(rest, "]")
		if !found || !closed {
			return key
		}
		key = before + after
	}
}

// section returns the reporter of a section that exists once.
func (v *validator) section(key string) func(key, what, hint string) {
	n, _ := v.cfg.tree.find(key)
	if n.kind != kindTable {
		return func(string, string, string) {} // the wrong kind is told already
	}
	return v.reporter(n, key, &v.faults)
}

// entry returns the element of entry i of a list, or the nearest thing to it.
func (v *validator) entry(key string, i int) *element {
	n, _ := v.cfg.tree.find(key)
	if i < len(n.items) && n.items[i].kind == kindTable {
		return n.items[i]
	}
	return n
}

func (v *validator) validate() {
	c := v.cfg
	c.Gateway.validate(v.section("gateway"))
	c.Log.validate(v.section("log"))
	v.api()
	c.Store.Validate(v.section("store"))
	v.idleStore()
	v.mqtt()
	for i, collection := range c.Collections {
		collection.Validate(v.reporter(v.entry("collection", i), "collection", &v.faults))
	}
	v.sources()
}

// CheckGatewayName reports why name cannot name a gateway: it has 1 to 64 bytes of UTF-8 without control characters.
func CheckGatewayName(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > maxGatewayName:
		return fmt.Errorf("has %d bytes, want at most %d", len(name), maxGatewayName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("has control characters or is not UTF-8")
	}
	return nil
}

// validate reports the faults of [gateway].
func (g Gateway) validate(report func(key, what, hint string)) {
	if err := CheckGatewayName(g.Name); err != nil {
		report("name", err.Error(), "")
	}
	if g.DataDir == "" {
		report("data_dir", "is empty", `write data_dir = "data"`)
	}
	if g.IdentityFile == "" {
		report("identity_file", "is empty", `write identity_file = "identity.key"`)
	}
}

// validate reports the faults of [log].
func (l Log) validate(report func(key, what, hint string)) {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level) {
		report("level", quote(l.Level)+" is not known", `want "debug", "info", "warn" or "error"`)
	}
	if !slices.Contains([]string{"text", "json"}, l.Format) {
		report("format", quote(l.Format)+" is not known", `want "text" or "json"`)
	}
}

// A namedSource is what the checks of both kinds of sources share.
type namedSource struct {
	kind, name string
	decode     decode.Config
	target     Target
	report     func(key, what, hint string)
	warn       func(key, what, hint string)
	at         *element
}

// sources checks the sources one by one and against each other.
func (v *validator) sources() {
	names, clients := map[string]pos{}, map[string]string{}
	for i, s := range v.cfg.Source.MQTT {
		one := v.named("mqtt", i, s.Door.Name, s.Decode, s.Target)
		s.Door.Validate(one.report)
		s.Decode.Validate(one.report)
		v.source(one, names)
		v.door(one, s.Door, clients)
		idleMQTT(one, s.Door)
		v.templates(one, s.Door.Topics)
		v.maps(one, func(glob string) bool { return s.Decode.MayName(s.Door.Name, s.Door.Topics, glob) })
	}
	for i, s := range v.cfg.Source.Serial {
		one := v.named("serial", i, s.Port.Name, s.Decode, s.Target)
		s.Port.Validate(one.report)
		s.Decode.Validate(one.report)
		v.source(one, names)
		idleSerial(one, s.Port)
		v.templates(one, nil)
		v.maps(one, func(glob string) bool { return s.Decode.MayName(s.Port.Name, nil, glob) })
	}
	for i, s := range v.cfg.Source.Modbus {
		one := v.named("modbus", i, s.Bus.Name, decode.Config{}, s.Target)
		s.Bus.Validate(s.Line.Device, one.report, one.warn, Nearest)
		if s.Line.Device != "" {
			s.Line.Validate(one.report)
		}
		v.source(one, names)
		idleModbus(one, s)
		v.maps(one, s.Bus.MayName)
	}
	v.lines()
}

// lines reports serial lines that two sources use.
func (v *validator) lines() {
	first := map[string]string{}
	check := func(s namedSource, path string) {
		if other, twice := first[path]; twice {
			hint := "a line has one reader"
			if s.kind == "modbus" {
				hint = "the slaves of one bus are [[source.modbus.slave]] sections of one source"
			}
			s.report("device", fmt.Sprintf("source %q has opened it", other), hint)
			return
		}
		first[path] = s.name
	}
	for i, s := range v.cfg.Source.Serial {
		if s.Port.Device != "" {
			check(v.named("serial", i, s.Port.Name, s.Decode, s.Target), serial.LineConfig{Device: s.Port.Device}.Path())
		}
	}
	for i, s := range v.cfg.Source.Modbus {
		if s.Line.Device != "" {
			check(v.named("modbus", i, s.Bus.Name, decode.Config{}, s.Target), s.Line.Path())
		}
	}
}

func (v *validator) named(kind string, i int, name string, d decode.Config, t Target) namedSource {
	n, key := v.entry("source."+kind, i), "source."+kind
	return namedSource{
		kind: kind, name: name, decode: d, target: t, at: n,
		report: v.reporter(n, key, &v.faults), warn: v.reporter(n, key, &v.warnings),
	}
}

// source checks what holds for every source.
func (v *validator) source(s namedSource, names map[string]pos) {
	if first, twice := names[s.name]; twice && s.name != "" && first != s.at.pos {
		s.report("name", "two sources are named "+quote(s.name),
			fmt.Sprintf("the first stands at %s:%d; the name is a tag of every reading, so rename one", first.file, first.line))
	}
	names[s.name] = s.at.pos
	v.target(s)
}

func (v *validator) target(s namedSource) {
	known := make([]string, 0, len(v.cfg.Collections))
	for _, c := range v.cfg.Collections {
		known = append(known, c.Name)
	}
	switch name := s.target.Collection; {
	case name == "":
		s.report("collection", "is missing", `name the [[collection]] that the readings go to: collection = "climate"`)
	case !slices.Contains(known, name) && !v.incomplete:
		hint := "add a section [[collection]] with name = " + quote(name)
		if near := Nearest(name, known); near != "" {
			hint = "did you mean " + quote(near) + "? Otherwise " + hint
		}
		s.report("collection", "there is no collection "+quote(name), hint)
	}
	if s.target.Dedup != "" && s.target.Dedup != DedupSeriesTime {
		s.report("dedup", quote(s.target.Dedup)+" is not known", "want "+quote(DedupSeriesTime)+", or leave it out")
	}
	if w := s.target.DedupWindow; w < minDedupWindow || w > maxDedupWindow {
		s.report("dedup_window", fmt.Sprintf("%v is out of range", w), fmt.Sprintf("want %v to %v", minDedupWindow, maxDedupWindow))
	}
}

// door checks an MQTT source against the broker, the disk and the other sources.
func (v *validator) door(s namedSource, door mqtt.SourceConfig, clients map[string]string) {
	if door.Broker == mqtt.BrokerInside && !v.cfg.MQTT.Broker.On() && !v.incomplete {
		s.report("broker", "the broker inside is off", `turn it on: [mqtt.broker] with listen = "127.0.0.1:1883"`)
	}
	if other, twice := clients[door.Broker+" "+door.ClientID]; twice && door.ClientID != "" {
		s.warn("client_id", fmt.Sprintf("source %q uses %q too: a broker throws one of the two out again and again", other, door.ClientID),
			"give each its own, or leave client_id out")
	}
	clients[door.Broker+" "+door.ClientID] = s.name
	if slices.ContainsFunc(door.Topics, hasWildcard) && !decode.UsesTopic(s.decode) {
		s.warn("topics", "what + and # stand for is lost: no template uses it",
			`name the level, as in "site/{site}/temp", or use {topic} or {topic.2} in series or tags`)
	}
	door.Warn(s.warn)
	v.secretFile(s.warn, "password_file", door.PasswordFile)
	v.secretFile(s.warn, "key_file", door.KeyFile)
	v.presentFile(s.warn, "ca_file", door.CAFile)
	v.presentFile(s.warn, "cert_file", door.CertFile)
}

// templates checks what the decoder can only check together with the topics. It waits until the rest is right.
func (v *validator) templates(s namedSource, topics []string) {
	if len(v.refused)+len(v.faults) > 0 {
		return
	}
	patterns := make([]sensors.TopicPattern, 0, len(topics))
	for _, text := range topics {
		pattern, err := sensors.ParseTopicPattern(text)
		if err != nil {
			return // told by the door
		}
		patterns = append(patterns, pattern)
	}
	_, err := decode.New(s.decode, s.name, patterns, sensors.Milliseconds, sensors.NewTable())
	for _, one := range leaves(err) {
		key, what, found := strings.Cut(one.Error(), ": ")
		if first, _, _ := strings.Cut(key, "."); !found || !slices.Contains([]string{"series", "tags", "topics", "format"}, first) {
			key, what = "", one.Error()
		}
		s.report(key, strings.TrimSuffix(what, "; "), "")
	}
}

// leaves returns the errors that err joins, without what wraps them.
func leaves(err error) []error {
	switch wrapped := err.(type) { //nolint:errorlint // it walks the tree itself
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		var all []error
		for _, one := range wrapped.Unwrap() {
			all = append(all, leaves(one)...)
		}
		return all
	default:
		if inner := errors.Unwrap(err); inner != nil {
			return leaves(inner)
		}
		return []error{err}
	}
}

// hasWildcard reports whether a topic has levels that become no tag. A faulty topic is reported elsewhere.
func hasWildcard(topic string) bool {
	return slices.ContainsFunc(strings.Split(topic, "/"), func(level string) bool { return level == "+" || level == "#" })
}
