package agent

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"time"

	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
	"github.com/skerry-edge/skerry/sensors/modbus"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/serial"
	"github.com/skerry-edge/skerry/store"
)

// line joins the parts that a reading passes. It is the only place where two parts meet:
//
//	sensors/serial, sensors/mqtt   bytes arrive        -> sensors.Raw
//	sensors/modbus                 a slave answers     -> []sensors.Reading
//	sensors/decode                 Decoder.Decode      -> []sensors.Reading
//	ingest                         Filter.Add          -> what is kept
//	ingest                         Pipeline.Add        -> journalled, acknowledged, sealed
//	crdt                           Feed.Append         -> Block
//	store                          DB.Append, DB.Seal  -> journal, Badger
type line struct {
	cfg    *config.Config
	db     *store.DB
	key    ed25519.PrivateKey
	peer   string
	table  *sensors.Table
	clock  func() (time.Time, sensors.Quality)
	synced ingest.Clock
	health *health
	log    *slog.Logger

	pipeline *ingest.Pipeline
	broker   *mqtt.Broker
	sources  []sensors.Source
	tallies  []*sensors.Tally

	inputs  map[string][]func() sensors.SourceStatus // by collection
	routes  []mqtt.Route
	doors   bySource // of the broker inside
	filters filters
	taps    taps
}

// build makes the parts, from the store towards the sensors.
func (l *line) build() error {
	l.inputs, l.doors, l.filters, l.taps = map[string][]func() sensors.SourceStatus{}, bySource{}, filters{}, taps{}
	var collections []*ingest.Collection
	for _, c := range l.allCollections() {
		made, err := l.collection(c)
		if err != nil {
			return err
		}
		collections = append(collections, made)
	}
	cfg := ingest.Config{Hold: !l.cfg.Store.Sync(), Interval: l.cfg.Store.Interval, AckMaxWait: l.cfg.Store.AckMaxWait}
	l.pipeline = ingest.New(cfg, watchedStore{l.db, l.health}, collections, l.synced, l.log.With("part", "ingest"))
	for i := range l.cfg.Source.Serial {
		if err := l.serial(&l.cfg.Source.Serial[i]); err != nil {
			return err
		}
	}
	for i := range l.cfg.Source.Modbus {
		if err := l.modbus(&l.cfg.Source.Modbus[i]); err != nil {
			return err
		}
	}
	for i := range l.cfg.Source.MQTT {
		if err := l.mqtt(&l.cfg.Source.MQTT[i]); err != nil {
			return err
		}
	}
	if l.cfg.MQTT.Broker.On() {
		l.broker = mqtt.NewBroker(l.cfg.MQTT.Broker, l.routes, l.doors, l.clock,
			mqtt.BrokerOptions{PassQoS0AtOnce: cfg.Hold, ACL: l.cfg.MQTT.ACL, Log: l.log.With("part", "broker")})
	}
	return nil
}

// allCollections returns the configured collections, and with defaults those of which the journal still holds
// readings.
func (l *line) allCollections() []ingest.CollectionConfig {
	out := configuredCollections(l.cfg)
	known := map[string]bool{}
	for _, c := range out {
		known[c.Name] = true
	}
	for _, name := range l.db.UnsealedCollections() {
		if !known[name] {
			c := ingest.DefaultCollectionConfig()
			c.Name = name
			out = append(out, c)
		}
	}
	return out
}

// collection resumes our feeds of a collection, or lets new ones be opened: when there are none, when
// the store was copied, and when the database lost blocks that others may have seen.
func (l *line) collection(c ingest.CollectionConfig) (*ingest.Collection, error) {
	own, has, err := l.db.Own(c.Name)
	if err != nil {
		return nil, fmt.Errorf("resume collection %q: %w", c.Name, err)
	}
	opened := l.db.Opened()
	resume := ingest.Resume{Hybrid: own.Hybrid}
	if has && !opened.Copied && !opened.TailLost {
		resume = ingest.Resume{
			Data:   crdt.ResumeFeed(l.key, own.Data.ID, own.Data.Opening, own.Data.Seq, own.Data.CID),
			Meta:   crdt.ResumeFeed(l.key, own.Meta.ID, own.Meta.Opening, own.Meta.Seq, own.Meta.CID),
			Series: own.Series, SeriesSeqs: own.SeriesSeqs,
			Hybrid: own.Hybrid, Readings: own.Readings, Counters: own.Counters,
		}
	}
	return ingest.NewCollection(c, l.key, resume, func() (in ingest.Inputs) {
		for _, status := range l.inputs[c.Name] {
			s := status()
			in.Repeats += s.Repeats
			in.Filtered += l.filters.filtered(s.Name)
			for _, n := range s.Rejected {
				in.Rejected += n
			}
		}
		return in
	})
}

func (l *line) serial(c *config.SerialSource) error {
	name := c.Port.Name
	format, err := l.format(c.Decode, name, c.Target, nil)
	if err != nil {
		return err
	}
	s := serial.New(c.Port, c.Target.Collection, format.Decoder(), l.sink(name, c.Target, c.Decode.SeriesLimit()), l.clock, l.log)
	l.taps[name] = tapping{s.Tap, l.precision(c.Target.Collection)}
	l.sources = append(l.sources, s)
	l.inputs[c.Target.Collection] = append(l.inputs[c.Target.Collection], s.Status)
	return nil
}

// modbus makes the source of a bus.
func (l *line) modbus(c *config.ModbusSource) error {
	s, err := modbus.New(modbus.Options{
		Config: c.Bus, Line: busLine(c), Collection: c.Target.Collection, Precision: l.precision(c.Target.Collection),
		Table: l.table, Sink: l.sink(c.Bus.Name, c.Target, c.Bus.Registers()), Clock: l.clock, Log: l.log,
	})
	if err != nil {
		return err
	}
	l.sources = append(l.sources, s)
	l.taps[c.Bus.Name] = tapping{s.Tap, l.precision(c.Target.Collection)}
	l.inputs[c.Target.Collection] = append(l.inputs[c.Target.Collection], s.Status)
	return nil
}

func (l *line) mqtt(c *config.MQTTSource) error {
	patterns, err := patternsOf(c)
	if err != nil {
		return err
	}
	format, err := l.format(c.Decode, c.Door.Name, c.Target, patterns)
	if err != nil {
		return err
	}
	tally := sensors.NewTally("mqtt", c.Door.Name, time.Now())
	l.taps[c.Door.Name] = tapping{tally.Tap, l.precision(c.Target.Collection)}
	l.inputs[c.Target.Collection] = append(l.inputs[c.Target.Collection], tally.Status)
	if c.Door.Broker == mqtt.BrokerInside {
		tally.State(time.Now(), "connected", "", "")
		l.tallies = append(l.tallies, tally)
		l.routes = append(l.routes, mqtt.Route{
			Source: c.Door.Name, Collection: c.Target.Collection, Patterns: patterns, NewDecoder: format.Decoder,
			Tally: tally,
		})
		l.doors[c.Door.Name] = l.sink(c.Door.Name, c.Target, c.Decode.SeriesLimit())
		return nil
	}
	id := c.Door.ClientID
	if id == "" {
		id = "skerry-" + l.peer[max(0, len(l.peer)-8):] + "-" + c.Door.Name
	}
	l.sources = append(l.sources, mqtt.NewClient(c.Door, id, c.Target.Collection, patterns, format.Decoder,
		l.sink(c.Door.Name, c.Target, c.Decode.SeriesLimit()), l.clock, newSeen(l.db.Opened().Origins, c.Door.Name), tally, l.log))
	return nil
}

func (l *line) format(c decode.Config, source string, t config.Target, patterns []sensors.TopicPattern) (*decode.Format, error) {
	c.Types = t.Types()
	f, err := decode.New(c, source, patterns, l.precision(t.Collection), l.table)
	if err != nil {
		return nil, fmt.Errorf("source %q: %w", source, err)
	}
	return f, nil
}

// precision returns that of a collection's times.
func (l *line) precision(collection string) sensors.Precision {
	for _, k := range l.cfg.Collections {
		if k.Name == collection {
			return k.Digits()
		}
	}
	return sensors.Milliseconds
}

// definitions is how many definitions a series may have: one a type.
const definitions = 4

// sink returns the pipeline, behind a filter where the source asks for one.
func (l *line) sink(source string, t config.Target, maxSeries int) sensors.Sink {
	c := ingest.FilterConfig{Rules: t.Rules(), MaxSeries: definitions * maxSeries}
	if t.Dedup != "" {
		c.DedupWindow = t.DedupWindow
	}
	if c.DedupWindow == 0 && c.Rules == nil {
		return watchedSink{l.pipeline, l.health}
	}
	filter := ingest.NewFilter(l.pipeline, c)
	l.filters[source] = filter
	return watchedSink{filter, l.health}
}

// filters are those of the sources that have one, by the source's name.
type filters map[string]*ingest.Filter

func (f filters) filtered(source string) uint64 {
	if f[source] == nil {
		return 0
	}
	return f[source].Filtered()
}

// bySource is the sink of the broker inside: each source has its own way to the pipeline.
type bySource map[string]sensors.Sink

// Add implements sensors.Sink.
func (s bySource) Add(ctx context.Context, b sensors.Batch, done func(error)) error {
	return s[b.Source].Add(ctx, b, done)
}

// Offer implements sensors.Sink.
func (s bySource) Offer(b sensors.Batch, done func(error)) { s[b.Source].Offer(b, done) }

// seen knows the messages of one source that the kept journal holds: the latest of each packet id, by broker.
type seen struct {
	source string
	hashes map[string]map[uint16]uint64
}

func newSeen(origins []store.Origin, source string) seen {
	s := seen{source, map[string]map[uint16]uint64{}}
	for _, o := range origins {
		if o.Source != source {
			continue
		}
		if s.hashes[o.Client] == nil {
			s.hashes[o.Client] = map[uint16]uint64{}
		}
		s.hashes[o.Client][o.PacketID] = o.Hash
	}
	return s
}

// Journalled implements mqtt.Seen.
func (s seen) Journalled(source, client string, packetID uint16, hash uint64) bool {
	have, is := s.hashes[client][packetID]
	return is && have == hash && source == s.source
}
