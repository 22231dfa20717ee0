package sensors

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Tag is one key and value that tell series of one name apart.
type Tag struct {
	Key   string
	Value string
}

// Series is what a reading belongs to. A series is identified by (Name, Tags) for people; unit and
// type are part of its definition, so a sensor that changes its type continues under a second
// definition of the same name. Immutable after Intern; Tags are sorted by key, without duplicates.
type Series struct {
	Name string
	Tags []Tag
	Unit string
	Type Type
}

// Limits of a series' parts, in bytes and in number.
const (
	MaxNameBytes = 256
	MaxUnitBytes = 64
	MaxTags      = 32
	MaxValue     = 1024 // bytes of a tag's value
)

// Tag returns the value of the tag key and whether there is one.
func (s *Series) Tag(key string) (string, bool) {
	for _, t := range s.Tags {
		if t.Key == key {
			return t.Value, true
		}
	}
	return "", false
}

// Check reports the first rule of the contract that the series breaks.
func (s *Series) Check() error {
	if err := CheckName(s.Name); err != nil {
		return err
	}
	if len(s.Unit) > MaxUnitBytes || !utf8.ValidString(s.Unit) {
		return fmt.Errorf("unit %q: want at most %d bytes of UTF-8", s.Unit, MaxUnitBytes)
	}
	if s.Type < Float || s.Type > String {
		return fmt.Errorf("series %q: unknown type %d", s.Name, s.Type)
	}
	if len(s.Tags) > MaxTags {
		return fmt.Errorf("series %q: %d tags, want at most %d", s.Name, len(s.Tags), MaxTags)
	}
	for i, t := range s.Tags {
		if err := CheckName(t.Key); err != nil {
			return fmt.Errorf("tag: %w", err)
		}
		if len(t.Value) > MaxValue || !utf8.ValidString(t.Value) {
			return fmt.Errorf("tag %q: want a value of at most %d bytes of UTF-8", t.Key, MaxValue)
		}
		if i > 0 && s.Tags[i-1].Key >= t.Key {
			return fmt.Errorf("tag %q: tags are not sorted, or one is there twice", t.Key)
		}
	}
	return nil
}

// CheckName reports why name cannot name a series, tag or collection: names have 1 to 256 bytes of
// UTF-8 without control characters and do not start with an underscore.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("name is empty")
	case len(name) > MaxNameBytes:
		return fmt.Errorf("name %.32q… has %d bytes, want at most %d", name, len(name), MaxNameBytes)
	case name[0] == '_':
		return fmt.Errorf("name %q starts with _, which is reserved", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("name %q is not UTF-8", name)
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }):
		return fmt.Errorf("name %q has a control character", name)
	}
	return nil
}

// AppendKey appends a string that is equal for two series exactly when all their parts are equal.
func (s *Series) AppendKey(dst []byte) []byte {
	dst = append(dst, byte(s.Type))
	dst = appendPart(dst, s.Name)
	dst = appendPart(dst, s.Unit)
	for _, t := range s.Tags {
		dst = appendPart(dst, t.Key)
		dst = appendPart(dst, t.Value)
	}
	return dst
}

func appendPart(dst []byte, part string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(part)))
	return append(dst, part...)
}

// Table makes series canonical: Intern returns the same pointer for equal series. Safe for
// concurrent use. It holds every series that it ever returned; callers bound how many they ask for.
type Table struct {
	mu     sync.RWMutex
	series map[string]*Series // by AppendKey
}

// NewTable returns an empty table.
func NewTable() *Table { return &Table{series: make(map[string]*Series)} }

// Intern returns the canonical pointer for s, which it copies. Tags need not be sorted; of tags with
// one key the last wins. The error is Check's.
func (t *Table) Intern(s Series) (*Series, error) {
	s.Tags = sortedTags(s.Tags)
	if err := s.Check(); err != nil {
		return nil, err
	}
	var buf [256]byte
	key := s.AppendKey(buf[:0])
	t.mu.RLock()
	have := t.series[string(key)]
	t.mu.RUnlock()
	if have != nil {
		return have, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if have = t.series[string(key)]; have != nil {
		return have, nil
	}
	made := &Series{Name: strings.Clone(s.Name), Unit: strings.Clone(s.Unit), Type: s.Type}
	for _, tag := range s.Tags {
		made.Tags = append(made.Tags, Tag{strings.Clone(tag.Key), strings.Clone(tag.Value)})
	}
	t.series[string(key)] = made
	return made, nil
}

// Len returns the number of series.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.series)
}

func sortedTags(tags []Tag) []Tag {
	sorted := true
	for i := 1; i < len(tags); i++ {
		if tags[i-1].Key >= tags[i].Key {
			sorted = false
		}
	}
	if sorted {
		return tags
	}
	out := slices.Clone(tags)
	slices.SortStableFunc(out, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	kept := out[:0]
	for i, tag := range out {
		if i+1 < len(out) && out[i+1].Key == tag.Key {
			continue
		}
		kept = append(kept, tag)
	}
	return kept
}
