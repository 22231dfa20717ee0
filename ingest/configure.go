package ingest

import "maps"

// settings are what may change while the pipeline runs. Constant; another one takes its place.
type settings struct {
	cfg         Config
	collections map[string]*Collection
	wanted      map[string]CollectionConfig // of collections whose settings have changed; their sealer takes them
}

// Configure takes other settings while the pipeline runs. How groups wait counts at once; the zero value of a field means its
// default, and QueueBytes stays as it was. Collections that are not there yet are added. Settings of collections count
// from their next seal on; their kind and precision stay, for those are what their feeds are. Collections that are not named stay as
// they are. Calls must not overlap.
func (p *Pipeline) Configure(cfg Config, added []*Collection, changed []CollectionConfig) {
	cfg.ensureDefaults()
	before := p.settings.Load()
	cfg.QueueBytes = before.cfg.QueueBytes
	next := &settings{
		cfg:         cfg,
		collections: make(map[string]*Collection, len(before.collections)+len(added)),
		wanted:      make(map[string]CollectionConfig, len(before.wanted)+len(changed)),
	}
	maps.Copy(next.collections, before.collections)
	for _, c := range added {
		next.collections[c.name] = c
	}
	maps.Copy(next.wanted, before.wanted)
	for _, c := range changed {
		next.wanted[c.Name] = c
	}
	p.settings.Store(next)
	signal(p.queue.ready)
	signal(p.wake)
}

// collection returns a collection by its name, nil when there is none.
func (p *Pipeline) collection(name string) *Collection { return p.settings.Load().collections[name] }

// adopt takes the settings of now, if they are others than before.
func (s *sealer) adopt() {
	now := s.settings.Load()
	if s.taken == now {
		return
	}
	s.taken = now
	for name, c := range now.collections {
		if s.waits[c] == nil {
			s.waits[c] = &sealWait{}
		}
		if wanted, has := now.wanted[name]; has {
			wanted.Kind, wanted.Precision = c.cfg.Kind, c.cfg.Precision
			c.cfg = wanted
		}
	}
}
