package crdt

import "fmt"

// Entry is one thing that a meta feed says: *SeriesDef, *Anchor, *Loss, *Counters, or *UnknownEntry.
//
// A meta payload (codec "meta/1") is a canonical CBOR array of entries, each an array that starts with the
// code of its kind. Codes are append-only; a reader skips entries of kinds that it does not know:
//
//	[1, number, name, [key, value, key, value …], unit, type]              series
//	[2, boot (8 bytes), mono, utc, error]                                  clock anchor
//	[3, feed (16 bytes or none), from seq, to seq, first time, last time,
//	    count or null, bound, reason, source]                              loss
//	[4, decoded, stored, filtered, lost, rejected, repeats]                counters
//
// Times and durations are nanoseconds; times count from 1970-01-01 UTC and may be negative.
type Entry interface {
	// wire checks the entry and returns it as it is encoded.
	wire() (any, error)
}

// The codes of the kinds.
const (
	entrySeries   = 1
	entryAnchor   = 2
	entryLoss     = 3
	entryCounters = 4
)

// SeriesDef gives a series its number. Numbers start at 1 and are consecutive over a whole meta feed;
// within one payload that is checked here, across payloads by whoever holds the feed.
type SeriesDef struct {
	Number uint32
	Name   string
	Tags   []SeriesTag // by key ascending, each key once, at most 32
	Unit   string
	Type   uint8 // 1 float, 2 int, 3 bool, 4 string; a reader keeps codes that it does not know
}

// SeriesTag is one tag of a series.
type SeriesTag struct {
	Key, Value string
}

// Anchor says what time it was at a moment of a boot's monotonic clock.
type Anchor struct {
	Boot  [8]byte
	Mono  uint64 // nanoseconds since boot
	UTC   int64  // nanoseconds since 1970-01-01 UTC
	Error uint64 // nanoseconds: UTC may be off by this much either way
}

// LossReason says why data is gone. Codes are bytes on disk: append-only; a reader keeps codes that it
// does not know.
type LossReason uint8

// The reasons.
const (
	LossQueueFull     LossReason = 1 // a bounded queue dropped the oldest
	LossDiskBudget    LossReason = 2 // dropped before it was safe, to stay inside the disk budget
	LossQuarantined   LossReason = 3 // damaged on disk
	LossTorn          LossReason = 4 // cut off by a crash before it was acknowledged
	LossStoreTailLost LossReason = 5 // the store lost its newest blocks and the journal had them no more
)

// String returns the reason as JSON writes it.
func (r LossReason) String() string {
	switch r {
	case LossQueueFull:
		return "queue_full"
	case LossDiskBudget:
		return "disk_budget"
	case LossQuarantined:
		return "quarantined"
	case LossTorn:
		return "torn"
	case LossStoreTailLost:
		return "store_tail_lost"
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Loss records that data of the author is gone. With a feed it is the blocks FromSeq to ToSeq (void
// wherever they are held after all), without one it is readings that never became a block.
type Loss struct {
	Feed    FeedID // zero: never became a block; FromSeq and ToSeq are then 0
	FromSeq uint64
	ToSeq   uint64 // included
	First   int64  // earliest time of what is lost
	Last    int64  // latest time of what is lost, not before First
	Count   uint64 // readings; 0 when Unknown
	Unknown bool   // how many is not known, only that it is at most Bound
	Bound   uint64 // 0 unless Unknown
	Reason  LossReason
	Source  string // the source's name, empty where several or none
}

// Counters are sums since the meta feed's opening. Readings decoded = Stored + Filtered + Lost;
// Rejected and Repeats count inputs.
type Counters struct {
	Decoded  uint64 // readings
	Stored   uint64 // readings
	Filtered uint64 // readings
	Lost     uint64 // readings
	Rejected uint64 // inputs
	Repeats  uint64 // inputs
}

// UnknownEntry is an entry of a kind that this program does not know. It can be counted and is otherwise
// left alone.
type UnknownEntry struct {
	Code uint64
	Raw  []byte // the entry; shares memory with the payload
}

type wireSeries struct {
	_      struct{} `cbor:",toarray"`
	Code   uint64
	Number uint32
	Name   string
	Tags   []string
	Unit   string
	Type   uint8
}

type wireAnchor struct {
	_     struct{} `cbor:",toarray"`
	Code  uint64
	Boot  []byte
	Mono  uint64
	UTC   int64
	Error uint64
}

type wireLoss struct {
	_       struct{} `cbor:",toarray"`
	Code    uint64
	Feed    []byte
	FromSeq uint64
	ToSeq   uint64
	First   int64
	Last    int64
	Count   *uint64
	Bound   uint64
	Reason  uint8
	Source  string
}

type wireCounters struct {
	_        struct{} `cbor:",toarray"`
	Code     uint64
	Decoded  uint64
	Stored   uint64
	Filtered uint64
	Lost     uint64
	Rejected uint64
	Repeats  uint64
}

func (s *SeriesDef) wire() (any, error) {
	if s.Number == 0 || s.Type == 0 {
		return nil, fmt.Errorf("series number %d, type %d, want at least 1: %w", s.Number, s.Type, ErrMalformed)
	}
	if err := checkText("series name", s.Name, 1, MaxStringBytes); err != nil {
		return nil, err
	}
	if err := checkText("unit", s.Unit, 0, MaxStringBytes); err != nil {
		return nil, err
	}
	if len(s.Tags) > MaxTags {
		return nil, fmt.Errorf("%d tags, want at most %d: %w", len(s.Tags), MaxTags, ErrLimit)
	}
	w := wireSeries{Code: entrySeries, Number: s.Number, Name: s.Name, Unit: s.Unit, Type: s.Type}
	for i, t := range s.Tags {
		if err := checkText("tag key", t.Key, 1, MaxStringBytes); err != nil {
			return nil, err
		}
		if err := checkText("tag value", t.Value, 0, MaxStringBytes); err != nil {
			return nil, err
		}
		if i > 0 && s.Tags[i-1].Key >= t.Key {
			return nil, fmt.Errorf("tag keys do not ascend: %w", ErrMalformed)
		}
		w.Tags = append(w.Tags, t.Key, t.Value)
	}
	return w, nil
}

func (a *Anchor) wire() (any, error) {
	return wireAnchor{Code: entryAnchor, Boot: a.Boot[:], Mono: a.Mono, UTC: a.UTC, Error: a.Error}, nil
}

func (l *Loss) wire() (any, error) {
	switch {
	case l.FromSeq > l.ToSeq || l.ToSeq > MaxSeq || l.Feed.IsZero() && l.ToSeq != 0:
		return nil, fmt.Errorf("loss of blocks %d to %d of feed %s: %w", l.FromSeq, l.ToSeq, l.Feed, ErrMalformed)
	case l.First > l.Last:
		return nil, fmt.Errorf("loss ends before it starts: %w", ErrMalformed)
	case l.Unknown && l.Count != 0, !l.Unknown && l.Bound != 0:
		return nil, fmt.Errorf("loss has count %d and bound %d: %w", l.Count, l.Bound, ErrMalformed)
	case l.Reason == 0:
		return nil, fmt.Errorf("loss without reason: %w", ErrMalformed)
	}
	if err := checkText("source", l.Source, 0, MaxStringBytes); err != nil {
		return nil, err
	}
	w := wireLoss{
		Code: entryLoss, FromSeq: l.FromSeq, ToSeq: l.ToSeq, First: l.First, Last: l.Last,
		Bound: l.Bound, Reason: uint8(l.Reason), Source: l.Source,
	}
	if !l.Feed.IsZero() {
		w.Feed = l.Feed[:]
	}
	if !l.Unknown {
		w.Count = &l.Count
	}
	return w, nil
}

func (c *Counters) wire() (any, error) {
	return wireCounters{
		Code: entryCounters, Decoded: c.Decoded, Stored: c.Stored, Filtered: c.Filtered, Lost: c.Lost,
		Rejected: c.Rejected, Repeats: c.Repeats,
	}, nil
}

// wire refuses: what is not known is never written.
func (u *UnknownEntry) wire() (any, error) {
	return nil, fmt.Errorf("entry of unknown kind %d: %w", u.Code, ErrMalformed)
}
