package agent

import (
	"sync"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
)

// health remembers since when each trouble lasts.
type health struct {
	mu      sync.Mutex
	since   map[string]time.Time // by code
	refused string               // why the configuration on disk was not taken; "" = it was
}

func newHealth() *health { return &health{since: map[string]time.Time{}} }

func (h *health) refuseConfig(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = why
}

func (h *health) refusedConfig() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

// items returns the troubles of now with their beginning; what is not among them is over.
func (h *health) items(now []api.Health, at time.Time) []api.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.since
	h.since = make(map[string]time.Time, len(now))
	out := []api.Health{}
	for _, item := range now {
		item.Since = at
		if began, lasts := last[item.Code]; lasts {
			item.Since = began
		}
		h.since[item.Code] = item.Since
		out = append(out, item)
	}
	return out
}
