package config

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Show writes the effective configuration as TOML that reads back as the same, and says of each value where it comes from:
// the file and line, or that it is the default. Paths are absolute.
func (c *Config) Show(w io.Writer) error {
	s := shower{out: bufio.NewWriter(w)}
	s.section("", reflect.ValueOf(c).Elem(), c.tree)
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("show configuration: %w", err)
	}
	return nil
}

// A shower writes sections; the writer keeps its first error.
type shower struct {
	out  *bufio.Writer
	rows int // written so far
}

// section writes a section's own keys, then the sections below it. n is nil for a section that no file has.
func (s *shower) section(key string, value reflect.Value, n *element) {
	var lines [][2]string
	known := fields(value.Type())
	for _, f := range known {
		v := value.FieldByIndex(f.index)
		if isSection(v.Type()) || v.Kind() == reflect.Pointer && v.IsNil() {
			continue
		}
		lines = append(lines, [2]string{f.key + " = " + tomlValue(v), origin(n, f.key)})
	}
	if len(lines) > 0 {
		s.header("["+key+"]", "")
		s.aligned(lines)
	}
	for _, f := range known {
		v, full := value.FieldByIndex(f.index), joinKey(key, f.key)
		if !isSection(v.Type()) {
			continue
		}
		below := child(n, f.key)
		if v.Kind() == reflect.Struct {
			s.section(full, v, below)
			continue
		}
		for i := range v.Len() {
			s.entry(full, v.Index(i), below.items[i])
		}
	}
}

// entry writes one entry of a list, then the lists below it.
func (s *shower) entry(key string, value reflect.Value, n *element) {
	var lines [][2]string
	known := fields(value.Type())
	for _, f := range known {
		v := value.FieldByIndex(f.index)
		if isSection(v.Type()) || v.Kind() == reflect.Pointer && v.IsNil() {
			continue
		}
		lines = append(lines, [2]string{f.key + " = " + tomlValue(v), origin(n, f.key)})
	}
	s.header("[["+key+"]]", fmt.Sprintf("  # %s:%d", n.pos.file, n.pos.line))
	s.aligned(lines)
	for _, f := range known {
		v := value.FieldByIndex(f.index)
		if !isSection(v.Type()) || v.Kind() != reflect.Slice {
			continue
		}
		for i := range v.Len() {
			s.entry(joinKey(key, f.key), v.Index(i), child(n, f.key).items[i])
		}
	}
}

func (s *shower) header(text, comment string) {
	if s.rows > 0 {
		s.line("")
	}
	s.line(text + comment)
}

func (s *shower) line(text string) {
	s.rows++
	_, _ = s.out.WriteString(text + "\n") // Flush tells the first error
}

// aligned writes lines with their comments below each other where the lines are not too long for it.
func (s *shower) aligned(lines [][2]string) {
	const most = 40
	width := 0
	for _, l := range lines {
		if len(l[0]) <= most {
			width = max(width, len(l[0]))
		}
	}
	for _, l := range lines {
		s.line(l[0] + strings.Repeat(" ", max(0, width-len(l[0]))) + "  # " + l[1])
	}
}

func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

func child(n *element, key string) *element {
	if n == nil {
		return nil
	}
	return n.table[key]
}

// origin says where the key of a section comes from.
func origin(n *element, key string) string {
	if at := child(n, key); at != nil {
		return fmt.Sprintf("%s:%d", at.pos.file, at.pos.line)
	}
	return "default"
}

// tomlValue returns a value as TOML writes it.
func tomlValue(v reflect.Value) string {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return tomlString(shortDuration(time.Duration(v.Int())))
	}
	switch v.Kind() { //nolint:exhaustive // Go writes every other kind as TOML does
	case reflect.Pointer:
		return tomlValue(v.Elem())
	case reflect.String:
		return tomlString(v.String())
	case reflect.Float32, reflect.Float64:
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(v.Float(), 'g', -1, 64), "+"))
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = tomlValue(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		parts := make([]string, 0, v.Len())
		for iter := v.MapRange(); iter.Next(); {
			parts = append(parts, tomlString(iter.Key().String())+" = "+tomlValue(iter.Value()))
		}
		slices.Sort(parts)
		if len(parts) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	default:
		return fmt.Sprint(v.Interface())
	}
}

// tomlString quotes text so that it reads back as it is. TOML knows fewer escapes than Go, and ${ would be expanded.
func tomlString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ReplaceAll(text, "${", "$${") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// shortDuration returns "10m" where String returns "10m0s".
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
