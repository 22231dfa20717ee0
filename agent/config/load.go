package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
)

// FileError is the error of a configuration that cannot be read.
type FileError struct {
	Path string
	Err  error
}

// Error names the file.
func (e *FileError) Error() string { return fmt.Sprintf("read configuration: %v", e.Err) }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// Hint says what may help.
func (e *FileError) Hint() string {
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		return "make one with: skerry init --dir DIR"
	case errors.Is(e.Err, fs.ErrPermission):
		return "it belongs to another user; try as that user, or as root"
	case errors.Is(e.Err, syscall.EISDIR):
		return "it is a folder; name the file in it: " + filepath.Join(e.Path, FileName)
	}
	return ""
}

// Load reads the configuration at path and its drop-ins, NAME.d/*.toml beside NAME.toml in name order. Warnings are what is
// allowed but probably not meant; they come with and without an error. The error is a Faults with all faults, or a
// *FileError.
func Load(path string) (*Config, []Fault, error) {
	l, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	return l.load()
}

// Parse is Load of a text that is in no file yet: name stands for it in faults. Paths are relative to the folder dir.
func Parse(dir, name string, text []byte) (*Config, []Fault, error) {
	l := &loader{dir: dir, lookup: os.LookupEnv, stat: os.Stat, hostname: HostName(), files: []source{{name, text}}}
	return l.load()
}

// Salvage reads what can be read of the configuration at path and its drop-ins: what is faulty has its default. It is for reading
// a gateway's data, which must not need a configuration without faults; nothing is to be run with it. The error is a
// *FileError: then there is no configuration.
func Salvage(path string) (*Config, []Fault, error) {
	l, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	cfg, faults, _ := l.salvage()
	cfg.Collections = slices.DeleteFunc(cfg.Collections, func(c ingest.CollectionConfig) bool { return sensors.CheckName(c.Name) != nil })
	plain := Default()
	resolve(reflect.ValueOf(plain).Elem(), l.dir)
	for _, fault := range faults {
		switch fault.Key {
		case "gateway.data_dir":
			cfg.Gateway.DataDir = plain.Gateway.DataDir
		case "gateway.identity_file":
			cfg.Gateway.IdentityFile = plain.Gateway.IdentityFile
		case "gateway.name":
			cfg.Gateway.Name = l.hostname
		case "api.socket":
			cfg.API.Socket = plain.API.Socket
		}
	}
	return cfg, faults, nil
}

// open reads the files. The error is a *FileError.
func open(path string) (*loader, error) {
	names, err := dropIns(path)
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	l := &loader{dir: dir, lookup: os.LookupEnv, stat: os.Stat, hostname: HostName()}
	for _, name := range append([]string{path}, names...) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, &FileError{Path: name, Err: err}
		}
		l.files = append(l.files, source{name, text})
	}
	return l, nil
}

// dropIns lists the files that are put over the one at path.
func dropIns(path string) ([]string, error) {
	dir := strings.TrimSuffix(path, ".toml") + ".d"
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list drop-ins: %w", err)
	}
	var names []string
	for _, e := range entries { // in name order
		if filepath.Ext(e.Name()) == ".toml" && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// source is one file's text.
type source struct {
	name string
	text []byte
}

// A loader makes a configuration of texts.
type loader struct {
	dir    string // what relative paths are relative to
	files  []source
	lookup func(string) (string, bool)
	stat   func(string) (fs.FileInfo, error)

	hostname string // the gateway's name when none is configured
}

func (l *loader) load() (*Config, []Fault, error) {
	cfg, faults, warnings := l.salvage()
	if len(faults) > 0 {
		return nil, warnings, Faults(faults)
	}
	return cfg, warnings, nil
}

// salvage goes on after each fault: what is faulty has its default.
func (l *loader) salvage() (cfg *Config, faults, warnings []Fault) {
	report := func(f Fault) { faults = append(faults, f) }
	cfg = Default()
	cfg.Gateway.Name = l.hostname
	names := make([]string, 0, len(l.files))
	broken := false
	for _, file := range l.files {
		names = append(names, file.name)
		tree, whole, found := parse(file.name, file.text)
		broken = broken || !whole
		faults = append(faults, found...)
		tree.expand("", l.lookup, report)
		if cfg.tree == nil {
			cfg.tree, cfg.file = tree, file.name
		} else {
			cfg.tree.merge(tree)
		}
	}
	d := decoder{defaults: entryDefault}
	d.section(cfg.tree, "", reflect.ValueOf(cfg).Elem())
	faults = append(faults, d.faults...)
	resolve(reflect.ValueOf(cfg).Elem(), l.dir)
	v := validator{cfg: cfg, refused: faults, stat: l.stat, incomplete: broken}
	v.validate()
	faults = append(faults, v.faults...)
	return cfg, sorted(toldOnce(faults), names), sorted(v.warnings, names)
}

// toldOnce drops faults of syntax where another fault of the same line says more.
func toldOnce(faults []Fault) []Fault {
	return slices.DeleteFunc(slices.Clone(faults), func(syntax Fault) bool {
		return strings.HasPrefix(syntax.What, notTOML) && slices.ContainsFunc(faults, func(f Fault) bool {
			return f.File == syntax.File && f.Line == syntax.Line && f != syntax
		})
	})
}

// resolve makes the paths in a section absolute: keys that end in _file or _dir, and socket.
func resolve(section reflect.Value, dir string) {
	for _, f := range fields(section.Type()) {
		value := section.FieldByIndex(f.index)
		switch value.Kind() { //nolint:exhaustive // only these hold paths
		case reflect.Struct:
			resolve(value, dir)
		case reflect.Slice:
			for i := range value.Len() {
				if value.Index(i).Kind() == reflect.Struct {
					resolve(value.Index(i), dir)
				}
			}
		case reflect.String:
			if text := value.String(); isPath(f.key) && text != "" && !filepath.IsAbs(text) {
				value.SetString(filepath.Join(dir, text))
			}
		default:
		}
	}
}

func isPath(key string) bool {
	return key == "socket" || strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_dir")
}

// hasFault reports whether a fault stands at key already.
func hasFault(faults []Fault, at pos, key string) bool {
	return slices.ContainsFunc(faults, func(f Fault) bool { return f.File == at.file && f.Line == at.line && f.Key == key })
}

// HostName returns this machine's name as a gateway's default name.
func HostName() string {
	name, err := os.Hostname()
	if err != nil || CheckGatewayName(name) != nil {
		return "gateway"
	}
	return name
}
