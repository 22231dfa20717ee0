package decode

import (
	"maps"
	"sync"
	"sync/atomic"
)

// snapshot is a map that is read by many goroutines without a lock and grows rarely. Reads go to an
// immutable map; what was added since waits in next, under the lock, and is published once it was
// asked for as often as it is big, so that the copying costs O(1) an entry. The zero value is empty.
type snapshot[V any] struct {
	read atomic.Pointer[map[string]V]

	mu     sync.Mutex
	next   map[string]V // read and what was added since; nil when nothing was
	misses int
}

// find returns the value of key. It does not keep key.
func (s *snapshot[V]) find(key []byte) (V, bool) {
	if m := s.read.Load(); m != nil {
		if v, ok := (*m)[string(key)]; ok {
			return v, true
		}
	}
	return s.findSlow(key)
}

func (s *snapshot[V]) findSlow(key []byte) (V, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		// Published between our look and the lock, or not there.
		if m := s.read.Load(); m != nil {
			v, ok := (*m)[string(key)]
			return v, ok
		}
		var none V
		return none, false
	}
	v, ok := s.next[string(key)]
	if s.misses++; s.misses >= len(s.next) {
		published := s.next
		s.read.Store(&published)
		s.next, s.misses = nil, 0
	}
	return v, ok
}

// add puts v under key unless there is a value, and returns what is there then.
func (s *snapshot[V]) add(key string, v V) V {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = make(map[string]V)
		if m := s.read.Load(); m != nil {
			maps.Copy(s.next, *m)
		}
	}
	if have, ok := s.next[key]; ok {
		return have
	}
	s.next[key] = v
	return v
}
