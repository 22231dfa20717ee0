package decode

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// maxPattern bounds Pattern, in bytes.
const maxPattern = 4096

func (c Config) validateInfluxTime(report func(key, what, hint string)) {
	if c.Time != "" {
		report("time", "lines of format influx hold their time themselves", `leave it out; time_unit = "ms" says what it counts where that is not "ns"`)
	}
	if c.TimeUnit != "" {
		known(report, "time_unit", c.TimeUnit, []string{unitSeconds, unitMillis, unitMicros, unitNanos})
	}
}

func (c Config) validateNMEATime(report func(key, what, hint string)) {
	if c.Time != "" && c.Time != timeUTC {
		report("time", fmt.Sprintf("format nmea has no field %q", c.Time), `time = "utc" takes the time that sentences hold; without it, it is that of arrival`)
	}
	if c.TimeUnit != "" {
		report("time_unit", "format nmea has none", "leave it out")
	}
}

func (c Config) validateSparkplugTime(report func(key, what, hint string)) {
	const hint = "leave it out"
	if c.Time != "" {
		report("time", "messages of format sparkplug hold their times themselves", hint)
	}
	if c.TimeUnit != "" {
		report("time_unit", "times of format sparkplug are milliseconds", hint)
	}
}

func (c Config) validateZone(report func(key, what, hint string)) {
	const hint = `"UTC", "Local" for this machine's, or a name such as "Europe/Berlin"`
	switch {
	case c.TimeUnit != unitISO8601 && c.TimeZone != "":
		report("time_zone", "only time_unit iso8601 has a zone", "")
	case c.TimeUnit == unitISO8601 && c.TimeZone == "" && c.Time != "":
		report("time_zone", "is missing", hint)
	case c.TimeZone != "":
		if _, err := time.LoadLocation(c.TimeZone); err != nil {
			report("time_zone", fmt.Sprintf("unknown zone %q", c.TimeZone), hint)
		}
	}
}

func (c Config) validateFormats(report func(key, what, hint string)) {
	if c.Root != "" {
		switch {
		case c.Format != formatJSON:
			report("root", "only format json has a root", "")
		case len(c.Root) > MaxPathBytes || strings.HasPrefix(c.Root, ".") || strings.HasSuffix(c.Root, "."):
			report("root", fmt.Sprintf("%.64q is no path", c.Root), `such as root = "params" or "data.values"`)
		}
	}
	if c.Rebirth != nil && !*c.Rebirth && c.Format != formatSparkplug {
		report("rebirth", "only format sparkplug has births", "")
	}
	if c.Format == formatRegex {
		c.validatePattern(report)
	} else if c.Pattern != "" {
		report("pattern", "only format regex has a pattern", "")
	}
	if c.Format == formatNMEA {
		for _, kind := range c.Sentences {
			if !slices.Contains(sentenceTypes(), kind) {
				report("sentences", fmt.Sprintf("unknown type %q", kind), "some of "+strings.Join(sentenceTypes(), ", "))
			}
		}
		if c.Checksum != "" {
			known(report, "checksum", c.Checksum, []string{checksumRequired, checksumOptional})
		}
		return
	}
	if len(c.Sentences) > 0 {
		report("sentences", "only format nmea has sentences", "")
	}
	if c.Checksum != "" {
		report("checksum", "only format nmea has a checksum", "")
	}
}

func (c Config) validatePattern(report func(key, what, hint string)) {
	const example = `name its groups: pattern = '(?P<weight>[0-9.]+) kg'`
	if c.Pattern == "" {
		report("pattern", "is missing", example)
		return
	}
	if len(c.Pattern) > maxPattern {
		report("pattern", fmt.Sprintf("%d bytes", len(c.Pattern)), fmt.Sprintf("want at most %d", maxPattern))
		return
	}
	pattern, err := regexp.Compile(c.Pattern)
	if err != nil {
		report("pattern", strings.TrimPrefix(err.Error(), "error parsing regexp: "),
			`it is an RE2 expression, which has no look-around and no back-references; in single quotes TOML leaves \ alone`)
		return
	}
	names := slices.DeleteFunc(pattern.SubexpNames(), func(name string) bool { return name == "" })
	if len(names) == 0 {
		report("pattern", "no group has a name", example)
		return
	}
	for _, name := range names {
		if err := sensors.CheckName(name); err != nil && c.Series == "" && c.Rename[name] == "" {
			report("pattern", "group: "+err.Error(), "")
		}
	}
	if c.Time != "" && !slices.Contains(names, c.Time) {
		report("time", fmt.Sprintf("the pattern has no group %q", c.Time), didYouMean(c.Time, names))
	}
}

// validateWords checks that no text means two things.
func (c Config) validateWords(report func(key, what, hint string)) {
	first := map[string]string{}
	for _, list := range []struct {
		key   string
		texts []string
	}{{"true_values", c.TrueValues}, {"false_values", c.FalseValues}, {"null_values", c.NullValues}} {
		for _, text := range list.texts {
			switch other, twice := first[text]; {
			case text == "":
				report(list.key, "a text is empty", "an empty text is no reading anyway")
			case twice && other != list.key:
				report(list.key, fmt.Sprintf("%q is in %s too", text, other), "")
			}
			first[text] = list.key
		}
	}
}
