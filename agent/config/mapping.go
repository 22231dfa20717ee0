package config

import (
	"slices"
	"strings"
	"unicode"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
)

// maps checks the [[source.….map]] of a source. mayName says whether one of its series can have a name that a glob matches.
func (v *validator) maps(s namedSource, mayName func(glob string) bool) {
	key := "source." + s.kind + ".map"
	list := child(s.at, "map")
	for i, m := range s.target.Maps {
		if list == nil || i >= len(list.items) || list.items[i].kind != kindTable {
			return // the wrong kind is told already
		}
		report, warn := v.reporter(list.items[i], key, &v.faults), v.reporter(list.items[i], key, &v.warnings)
		if m.Match == "" {
			report("match", "is missing", `name the series, or a glob of names: match = "temp*"`)
		}
		m.validate(report)
		if m.Type != "" && s.kind == "modbus" {
			report("type", "values of a bus have their registers' types", "set type where the register is")
		}
		before := len(v.faults)
		m.Filter.Validate(report)
		if len(v.faults) == before {
			m.idle(list.items[i], s.target.Maps, warn)
			v.matches(s, m, mayName, warn)
		}
	}
}

// validate reports the faults of a map but those of its filter.
func (m Map) validate(report func(key, what, hint string)) {
	if _, known := decode.TypeOf(m.Type); !known && m.Type != "" {
		report("type", quote(m.Type)+" is not known", `want "float", "int", "bool" or "string", or leave it out`)
	}
	for _, k := range []struct {
		key string
		set bool
	}{{"deadband", m.Filter.Deadband != 0}, {"deadband_percent", m.Filter.DeadbandPercent != 0}} {
		if k.set && (m.Type == "bool" || m.Type == "string") {
			report(k.key, "type "+quote(m.Type)+" has no distance between values", "write on_change = true")
		}
	}
}

// idle warns of keys that change nothing beside the others.
func (m Map) idle(at *element, all []Map, warn func(key, what, hint string)) {
	f := m.Filter
	exempts := func(other Map) bool { return other.Match != m.Match && sensors.GlobsMeet(other.Match, m.Match) }
	if m.Type == "" && !f.Filters() && f.Heartbeat == 0 && !slices.ContainsFunc(all, exempts) {
		warn("match", "nothing is said of what it matches", "set type, deadband, deadband_percent, on_change or min_interval")
	}
	warnIdle(
		at, warn,
		idleKey{"on_change", f.OnChange && f.Deadbands(), "has no effect beside a deadband"},
		idleKey{"heartbeat", f.Heartbeat > 0 && !f.Compares(), "has no effect without on_change or a deadband"},
	)
}

// matches warns of a map that no series can have.
func (v *validator) matches(s namedSource, m Map, mayName func(glob string) bool, warn func(key, what, hint string)) {
	if m.Match == "" || len(v.refused)+len(v.faults) > 0 {
		return
	}
	what, hint := "no series of this source can have such a name", "write the series' name as query shows it"
	switch {
	case m.Match[0] == '_':
		what = "no series has such a name: names beginning with _ are reserved"
	case strings.ContainsFunc(m.Match, unicode.IsControl):
		what = "no series has such a name: it has control characters"
	case mayName(m.Match):
		return
	case s.decode.Rename[m.Match] != "":
		hint = "it is renamed: write match = " + quote(s.decode.Rename[m.Match])
	}
	warn("match", what, hint)
}
