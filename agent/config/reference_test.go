package config

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The reference of all keys: rendered from the sections' types, their defaults and their comments.
const referenceFile = "../../docs/config.md"

var updateReference = flag.Bool("reference.update", false, "write docs/config.md anew")

func TestReference_isUpToDate(t *testing.T) {
	r := newReference(t)
	want := r.render()
	if *updateReference {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("docs/config.md is not what the code says (-code +file); write it with: go test ./agent/config -run Reference -reference.update\n%s", diff)
	}
}

// Every word that is said by hand is about a key that there is.
func TestReference_saysNothingOfKeysThatAreNot(t *testing.T) {
	r := newReference(t)
	r.render()
	for key := range referenceWords() {
		if !slices.Contains(r.keys, key) {
			t.Errorf("referenceWords has %q, which is no key", key)
		}
	}
	for _, key := range requiredKeys() {
		if !slices.Contains(r.keys, key) {
			t.Errorf("requiredKeys has %q, which is no key", key)
		}
	}
}

// A key that is said to be required is a fault when it is missing, and the others are not.
func TestReference_requiredKeys(t *testing.T) {
	for section, text := range map[string]string{
		"collection":                   "[[collection]]\n",
		"source.mqtt":                  "[[source.mqtt]]\n",
		"source.serial":                "[[source.serial]]\n",
		"source.modbus":                "[[source.modbus]]\n",
		"source.modbus.slave":          "[[source.modbus]]\nname = 's'\naddress = 'tcp://h:502'\ncollection = 'c'\n[[source.modbus.slave]]\n",
		"source.modbus.slave.register": "[[source.modbus]]\nname = 's'\naddress = 'tcp://h:502'\ncollection = 'c'\n[[source.modbus.slave]]\nname = 'm'\nunit_id = 1\n[[source.modbus.slave.register]]\n",

		"source.mqtt.map":   "[[source.mqtt]]\n[[source.mqtt.map]]\n",
		"source.serial.map": "[[source.serial]]\n[[source.serial.map]]\n",
		"source.modbus.map": "[[source.modbus]]\n[[source.modbus.map]]\n",
	} {
		_, _, err := loadReference(t, text)
		faults, ok := errors.AsType[Faults](err)
		if !ok {
			t.Fatalf("%s: got %v, want faults", section, err)
		}
		var have, want []string
		for _, f := range faults {
			key := indexText.ReplaceAllString(f.Key, "")
			if rest, is := strings.CutPrefix(key, section+"."); is && !strings.Contains(rest, ".") {
				have = append(have, key)
			}
		}
		for _, key := range requiredKeys() {
			if rest, is := strings.CutPrefix(key, section+"."); is && !strings.Contains(rest, ".") {
				want = append(want, key)
			}
		}
		slices.Sort(have)
		slices.Sort(want)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: required keys (-said +told):\n%s", section, diff)
		}
	}
}

// indexText is how a fault's key names an entry of a list.
var indexText = regexp.MustCompile(`\[[^]]*\]`)

// rangeText is how a meaning says what numbers or durations a key takes.
var rangeText = regexp.MustCompile(`([0-9]+(?: (?:ms|s|m|h))?) to ([0-9]+(?: (?:ms|s|m|h))?)(?:[^0-9a-z]|$| bytes$)`)

// The ranges that meanings tell are those that Validate knows.
func TestReference_rangesAreTrue(t *testing.T) {
	r := newReference(t)
	r.render()
	checked := 0
	for _, key := range r.keys {
		m := rangeText.FindStringSubmatch(r.meanings[key])
		if m == nil || r.types[key] == nil || r.types[key].Kind() == reflect.String {
			continue
		}
		checked++
		for _, end := range []struct {
			text string
			step int64
			ok   bool
		}{{m[1], 0, true}, {m[1], -1, false}, {m[2], 0, true}, {m[2], 1, false}} {
			value, err := valueBeside(end.text, end.step)
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			if have := referenceAccepts(t, key, value); have != end.ok {
				t.Errorf("%s = %s: accepted %v, docs/config.md says %s to %s", key, value, have, m[1], m[2])
			}
		}
	}
	if checked < 12 {
		t.Errorf("checked %d ranges, want more", checked)
	}
}

// valueBeside returns the TOML of "10 s" or "64", or of what is a step beside it.
func valueBeside(text string, step int64) (string, error) {
	if !strings.Contains(text, " ") {
		n, err := strconv.ParseInt(text, 10, 64)
		return strconv.FormatInt(n+step, 10), err
	}
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	return strconv.Quote((d + time.Duration(step)).String()), err
}

const modbusSlave = "[[source.modbus]]\nname = 's'\ndevice = '/dev/null'\ncollection = 'c'\n[[source.modbus.slave]]\nname = 'm'\nunit_id = 1\n"

// referenceAccepts reports whether a configuration in which key has the value has no fault at it.
func referenceAccepts(t *testing.T, key, value string) bool {
	t.Helper()
	texts := map[string]string{
		"store.":                        "[store]\n",
		"mqtt.broker.":                  "[mqtt.broker]\n",
		"mqtt.acl.":                     "[[mqtt.acl]]\n",
		"collection.":                   "[[collection]]\nname = 'c'\n",
		"source.mqtt.":                  "[[source.mqtt]]\nname = 's'\nbroker = 'tcp://h'\ntopics = ['t']\nformat = 'json'\ncollection = 'c'\n",
		"source.serial.":                "[[source.serial]]\nname = 's'\ndevice = '/dev/null'\nformat = 'json'\ncollection = 'c'\n",
		"source.modbus.":                "[[source.modbus]]\nname = 's'\ndevice = '/dev/null'\ncollection = 'c'\n",
		"source.modbus.slave.":          modbusSlave,
		"source.modbus.slave.register.": modbusSlave + "[[source.modbus.slave.register]]\nname = 'r'\naddress = 0\n",
		"source.*.map.":                 "[[source.serial]]\nname = 's'\ndevice = '/dev/null'\nformat = 'json'\ncollection = 'c'\n[[source.serial.map]]\nmatch = 'm'\n",
		"source.*.":                     "[[source.serial]]\nname = 's'\ndevice = '/dev/null'\nformat = 'json'\ncollection = 'c'\n",
	}
	for prefix, text := range texts {
		if at := strings.Index(key, ".map."); at >= 0 {
			key = "source.*" + key[at:]
		}
		name, is := strings.CutPrefix(key, prefix)
		if !is || strings.Contains(name, ".") {
			continue
		}
		text = regexp.MustCompile(`(?m)^`+name+` = .*\n`).ReplaceAllString(text, "")
		if name == "length" && strings.HasPrefix(key, "source.modbus.") {
			text += "type = 'string'\n"
		}
		_, _, err := loadReference(t, text+name+" = "+value+"\n")
		faults, ok := errors.AsType[Faults](err)
		if !ok {
			return true
		}
		return !slices.ContainsFunc(faults, func(f Fault) bool { return strings.HasSuffix(f.Key, "."+name) })
	}
	t.Fatalf("%s is in no section that this test knows", key)
	return false
}

func loadReference(t *testing.T, text string) (*Config, []Fault, error) {
	t.Helper()
	l := loader{
		dir: t.TempDir(), files: []source{{"t.toml", []byte(text)}}, hostname: "host",
		lookup: func(string) (string, bool) { return "", false },
		stat:   func(string) (fs.FileInfo, error) { return nil, fs.ErrNotExist },
	}
	return l.load()
}

// reference renders the page.
type reference struct {
	t        *testing.T
	comments map[string]string // by "package.Type.Field"
	keys     []string          // dotted, in order
	meanings map[string]string
	types    map[string]reflect.Type
	out      strings.Builder
}

func newReference(t *testing.T) *reference {
	t.Helper()
	r := &reference{t: t, comments: map[string]string{}, meanings: map[string]string{}, types: map[string]reflect.Type{}}
	for name, dir := range map[string]string{
		"config": ".", "store": "../../store", "ingest": "../../ingest", "mqtt": "../../sensors/mqtt",
		"serial": "../../sensors/serial", "decode": "../../sensors/decode", "modbus": "../../sensors/modbus",
	} {
		r.read(name, dir)
	}
	return r
}

// read takes the comments of the fields of a package's struct types.
func (r *reference) read(name, dir string) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, path := range paths {
		file, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.ParseComments|goparser.SkipObjectResolution)
		if err != nil {
			r.t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if section, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range section.Fields.List {
					for _, field := range f.Names {
						text := f.Comment.Text()
						if text == "" {
							text = f.Doc.Text()
						}
						r.comments[name+"."+spec.Name.Name+"."+field.Name] = strings.Join(strings.Fields(text), " ")
					}
				}
			}
			return false
		})
	}
}

func (r *reference) render() string {
	r.out.Reset()
	r.keys = nil
	r.out.WriteString(referenceHead)
	r.section("", reflect.ValueOf(Default()).Elem())
	r.out.WriteString("\n" + referenceTail)
	return r.out.String()
}

// section writes a table of a section's own keys, then the sections below it.
func (r *reference) section(name string, section reflect.Value) {
	heading := "[" + name + "]"
	r.rows(heading, name, section)
	for _, f := range fields(section.Type()) {
		value := section.FieldByIndex(f.index)
		full := joinKey(name, f.key)
		switch {
		case !isSection(value.Type()):
		case value.Kind() == reflect.Struct:
			r.section(full, value)
		default:
			r.list(full, value.Type().Elem())
		}
	}
}

// list writes the table of a list's entries, then those of the lists below it.
func (r *reference) list(full string, of reflect.Type) {
	r.keys = append(r.keys, full)
	r.rows("[["+full+"]]", full, entryDefault(of))
	for _, f := range fields(of) {
		if f.kind.Kind() == reflect.Slice && f.kind.Elem().Kind() == reflect.Struct {
			r.list(joinKey(full, f.key), f.kind.Elem())
		}
	}
}

func (r *reference) rows(heading, name string, section reflect.Value) {
	begun := false
	for _, f := range fields(section.Type()) {
		value := section.FieldByIndex(f.index)
		if isSection(value.Type()) {
			continue
		}
		if !begun {
			fmt.Fprintf(&r.out, "\n## `%s`\n\n%s| key | type | default | meaning |\n|---|---|---|---|\n", heading, sectionWords()[heading])
			begun = true
		}
		full := joinKey(name, f.key)
		r.keys = append(r.keys, full)
		r.types[full], r.meanings[full] = value.Type(), r.meaning(full, section.Type(), f)
		fmt.Fprintf(&r.out, "| `%s` | %s | %s | %s |\n", f.key, typeWords(value.Type()), r.defaultOf(full, value), r.meanings[full])
	}
}

func (r *reference) defaultOf(key string, value reflect.Value) string {
	switch {
	case slices.Contains(requiredKeys(), key):
		return "required"
	case key == "gateway.name":
		return "the machine's"
	case value.Kind() == reflect.Pointer && value.IsNil():
		return "–"
	}
	return "`" + tomlValue(value) + "`"
}

// meaning is what is said by hand of a key, else its field's comment.
func (r *reference) meaning(key string, section reflect.Type, f field) string {
	words := referenceWords()
	short := key[strings.LastIndexByte(key, '.')+1:]
	text, said := words[key]
	if !said && strings.HasPrefix(key, "source.") { // what both kinds of sources have is said once
		shared := "source.*." + short
		if strings.Contains(key, ".map.") {
			shared = "source.*.map." + short
		}
		if text = words[shared]; text != "" {
			r.keys = append(r.keys, shared)
		}
	}
	if text == "" {
		text = r.comments[fieldName(section, f.index)]
	}
	if text == "" {
		r.t.Errorf("nothing says what %s means: comment %s", key, fieldName(section, f.index))
	}
	return strings.ReplaceAll(text, "|", `\|`)
}

// fieldName returns "package.Type.Field" of a field that may be in inline structs.
func fieldName(section reflect.Type, index []int) string {
	for ; len(index) > 1; index = index[1:] {
		section = section.Field(index[0]).Type
	}
	return section.String() + "." + section.Field(index[0]).Name
}

func typeWords(t reflect.Type) string {
	switch kind := t.Kind(); {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case kind == reflect.Pointer:
		return typeWords(t.Elem())
	case kind == reflect.String:
		return "string"
	case kind == reflect.Bool:
		return "true or false"
	case kind == reflect.Float64:
		return "number"
	case kind == reflect.Slice:
		return "array of " + typeWords(t.Elem()) + "s"
	case kind == reflect.Map:
		return "section: name to " + typeWords(t.Elem())
	}
	return "whole number"
}
