package agent

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
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
	db     *store.DB
	key    ed25519.PrivateKey
	peer   string
	table  *sensors.Table
	clock  func() (time.Time, sensors.Quality)
	synced ingest.Clock
	health *health
	log    *slog.Logger

	pipeline *ingest.Pipeline
	ledger   ledger
	known    map[string]ingest.CollectionConfig // what the pipeline has, by name
	origins  []store.Origin                     // what the journal held at the start; nil: sources that begin later have nothing to do with it
}

// open makes the pipeline, from the store towards the sensors.
func (l *line) open(cfg *config.Config) error {
	l.known, l.origins = map[string]ingest.CollectionConfig{}, l.db.Opened().Origins
	collections, err := l.collections(l.allCollections(cfg))
	if err != nil {
		return err
	}
	l.pipeline = ingest.New(waits(cfg), watchedStore{l.db, l.health}, collections, l.synced, l.log.With("part", "ingest"))
	return nil
}

// waits returns how long groups wait.
func waits(cfg *config.Config) ingest.Config {
	return ingest.Config{Hold: !cfg.Store.Sync(), Interval: cfg.Store.Interval, AckMaxWait: cfg.Store.AckMaxWait}
}

// inputs returns the configured sources: of those that are there the ones that nothing has changed for, and new ones.
func (l *line) inputs(cfg *config.Config, have []*input) ([]*input, error) {
	var routes, others []*input
	take := func(name, collection string, section any, build func() (*input, error)) error {
		madeOf := []any{section, precision(cfg, collection)}
		i := slices.IndexFunc(have, func(in *input) bool { return in.name == name && reflect.DeepEqual(in.madeOf, madeOf) })
		var in *input
		if i >= 0 {
			in = have[i]
		} else {
			var err error
			if in, err = build(); err != nil {
				return err
			}
			in.name, in.collection, in.madeOf = name, collection, madeOf
		}
		if in.source == nil {
			routes = append(routes, in)
		} else {
			others = append(others, in)
		}
		return nil
	}
	var errs []error
	for _, c := range cfg.Source.Serial {
		errs = append(errs, take(c.Port.Name, c.Target.Collection, c, func() (*input, error) { return l.serial(cfg, &c) }))
	}
	for _, c := range cfg.Source.Modbus {
		errs = append(errs, take(c.Bus.Name, c.Target.Collection, c, func() (*input, error) { return l.modbus(cfg, &c) }))
	}
	for _, c := range cfg.Source.MQTT {
		errs = append(errs, take(c.Door.Name, c.Target.Collection, c, func() (*input, error) { return l.mqtt(cfg, &c) }))
	}
	return append(routes, others...), errors.Join(errs...)
}

// broker returns the broker inside with the routes of the inputs, nil when it is off.
func (l *line) broker(cfg *config.Config, inputs []*input) *mqtt.Broker {
	if !cfg.MQTT.Broker.On() {
		return nil
	}
	return mqtt.NewBroker(cfg.MQTT.Broker, routesOf(inputs), nil, l.clock,
		mqtt.BrokerOptions{PassQoS0AtOnce: waits(cfg).Hold, ACL: cfg.MQTT.ACL, Log: l.log.With("part", "broker")})
}

// allCollections returns the configured collections, and with defaults those of which the journal still holds
// readings.
func (l *line) allCollections(cfg *config.Config) []ingest.CollectionConfig {
	out := configuredCollections(cfg)
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

// collections makes those of which the pipeline has none yet.
func (l *line) collections(all []ingest.CollectionConfig) (made []*ingest.Collection, err error) {
	for _, c := range all {
		if _, has := l.known[c.Name]; has {
			continue
		}
		one, err := l.collection(c)
		if err != nil {
			return nil, err
		}
		made = append(made, one)
	}
	return made, nil
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
	return ingest.NewCollection(c, l.key, resume, func() ingest.Inputs { return l.ledger.of(c.Name) })
}

func (l *line) serial(cfg *config.Config, c *config.SerialSource) (*input, error) {
	name := c.Port.Name
	format, err := l.format(cfg, c.Decode, name, c.Target, nil)
	if err != nil {
		return nil, err
	}
	sink, filter := l.sink(c.Target, c.Decode.SeriesLimit())
	s := serial.New(c.Port, c.Target.Collection, format.Decoder(), sink, l.clock, l.log)
	return &input{source: s, status: s.Status, filter: filter, tap: tapping{s.Tap, precision(cfg, c.Target.Collection)}}, nil
}

// modbus makes the source of a bus.
func (l *line) modbus(cfg *config.Config, c *config.ModbusSource) (*input, error) {
	sink, filter := l.sink(c.Target, c.Bus.Registers())
	s, err := modbus.New(modbus.Options{
		Config: c.Bus, Line: busLine(c), Collection: c.Target.Collection, Precision: precision(cfg, c.Target.Collection),
		Table: l.table, Sink: sink, Clock: l.clock, Log: l.log,
	})
	if err != nil {
		return nil, err
	}
	return &input{source: s, status: s.Status, filter: filter, tap: tapping{s.Tap, precision(cfg, c.Target.Collection)}}, nil
}

func (l *line) mqtt(cfg *config.Config, c *config.MQTTSource) (*input, error) {
	patterns, err := patternsOf(c)
	if err != nil {
		return nil, err
	}
	format, err := l.format(cfg, c.Decode, c.Door.Name, c.Target, patterns)
	if err != nil {
		return nil, err
	}
	tally := sensors.NewTally("mqtt", c.Door.Name, time.Now())
	sink, filter := l.sink(c.Target, c.Decode.SeriesLimit())
	in := &input{status: tally.Status, filter: filter, tap: tapping{tally.Tap, precision(cfg, c.Target.Collection)}}
	if c.Door.Broker == mqtt.BrokerInside {
		tally.State(time.Now(), "connected", "", "")
		in.route = mqtt.Route{
			Source: c.Door.Name, Collection: c.Target.Collection, Patterns: patterns, NewDecoder: format.Decoder, Tally: tally, Sink: sink,
		}
		return in, nil
	}
	id := c.Door.ClientID
	if id == "" {
		id = "skerry-" + l.peer[max(0, len(l.peer)-8):] + "-" + c.Door.Name
	}
	in.source = mqtt.NewClient(c.Door, id, c.Target.Collection, patterns, format.Decoder,
		sink, l.clock, newSeen(l.origins, c.Door.Name), tally, l.log)
	return in, nil
}

func (l *line) format(cfg *config.Config, c decode.Config, source string, t config.Target, patterns []sensors.TopicPattern) (*decode.Format, error) {
	c.Types = t.Types()
	f, err := decode.New(c, source, patterns, precision(cfg, t.Collection), l.table)
	if err != nil {
		return nil, fmt.Errorf("source %q: %w", source, err)
	}
	return f, nil
}

// precision returns that of a collection's times.
func precision(cfg *config.Config, collection string) sensors.Precision {
	for _, k := range cfg.Collections {
		if k.Name == collection {
			return k.Digits()
		}
	}
	return sensors.Milliseconds
}

// definitions is how many definitions a series may have: one a type.
const definitions = 4

// sink returns the pipeline, behind a filter where the source asks for one.
func (l *line) sink(t config.Target, maxSeries int) (sensors.Sink, *ingest.Filter) {
	c := ingest.FilterConfig{Rules: t.Rules(), MaxSeries: definitions * maxSeries}
	if t.Dedup != "" {
		c.DedupWindow = t.DedupWindow
	}
	if c.DedupWindow == 0 && c.Rules == nil {
		return watchedSink{l.pipeline, l.health}, nil
	}
	filter := ingest.NewFilter(l.pipeline, c)
	return watchedSink{filter, l.health}, filter
}
