package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// Query selects rows of one collection; the zero value of a field selects all.
type Query struct {
	Collection string
	From       int64  // nanoseconds since 1970 UTC, inclusive; compared with readings' times
	To         int64  // exclusive; 0: no end
	Series     string // glob in which * matches any characters
	Tags       []sensors.Tag
	Author     string // a peer ID
	Limit      int64  // rows; 0: all
	Newest     bool   // newest first
}

// errSpent ends rows that are ranged over a second time.
var errSpent = errors.New("the rows were read already")

// Query streams the rows that q selects, in the order time, series, author (with Newest: time
// descending), as they are when it is called: journalled readings included, each once. It holds a
// bounded number of readings in memory. A block whose bytes are not those that were written ends the
// stream with an error that names feed and seq. The rows can be ranged over once; ranging over them, or
// the end of ctx, releases what they hold.
func (db *DB) Query(ctx context.Context, q Query) (sensors.Precision, iter.Seq2[sensors.Row, error], error) {
	s, err := db.snapshotOf(q)
	if err != nil {
		return 0, nil, err
	}
	return s.precision, once(ctx, s, func(yield func(sensors.Row, error) bool) { s.send(ctx, yield) }), nil
}

// snapshotOf takes a snapshot for a reader.
func (db *DB) snapshotOf(q Query) (*snapshot, error) {
	if q.To == 0 {
		q.To = maxTime
	}
	return db.snapshot(q, false)
}

// once lets what send yields be ranged over once. That, or the end of ctx, closes s.
func once[V any](ctx context.Context, s *snapshot, send func(yield func(V, error) bool)) iter.Seq2[V, error] {
	var taken atomic.Bool // by the reader, or by the end of ctx
	stop := context.AfterFunc(ctx, func() {
		if taken.CompareAndSwap(false, true) {
			s.close()
		}
	})
	return func(yield func(V, error) bool) {
		if !taken.CompareAndSwap(false, true) {
			var none V
			yield(none, cmp.Or(ctx.Err(), errSpent))
			return
		}
		defer s.close()
		defer stop()
		send(yield)
	}
}

// send yields the rows.
func (s *snapshot) send(ctx context.Context, yield func(sensors.Row, error) bool) {
	sent := int64(0)
	for r, err := range s.rows(ctx) {
		if err != nil {
			yield(sensors.Row{}, err)
			return
		}
		if !yield(sensors.Row{Reading: r.Reading, Author: r.author}, nil) {
			return
		}
		if sent++; sent == s.q.Limit {
			return
		}
	}
}

// snapshot is the state of one collection at one moment.
type snapshot struct {
	db        *DB
	q         Query
	precision sensors.Precision
	txn       *badger.Txn
	number    uint32 // of the collection
	segments  []placedSegment
	feeds     map[uint32]*feedView
	tail      []row
	tailOrder []place // of the tail's rows, as q wants
	reader    *blockReader
	wants     map[*sensors.Series]bool
}

// feedView is what reading a data feed's blocks needs.
type feedView struct {
	id         crdt.FeedID
	key        crdt.Author
	author     string
	head       headRow
	headCID    cid.Cid
	meta       *feed
	place      metaPlace    // of the meta feed
	defs       *definitions // nil only where unreadable says why
	unreadable error
}

// row is a reading and its author.
type row struct {
	sensors.Reading
	author string
}

// snapshot takes Badger's and the tail's state together: no Seal comes between. With lenient, meta feeds
// that cannot be read are left for the caller to judge.
func (db *DB) snapshot(q Query, lenient bool) (*snapshot, error) {
	s := &snapshot{db: db, q: q, feeds: map[uint32]*feedView{}, wants: map[*sensors.Series]bool{}, precision: sensors.Milliseconds}
	db.commit.RLock()
	db.mu.RLock()
	c, t := db.collections[q.Collection], db.tails[q.Collection]
	if c == nil && t == nil {
		db.mu.RUnlock()
		db.commit.RUnlock()
		return nil, fmt.Errorf("%w: %q", ErrNoCollection, q.Collection)
	}
	s.txn = db.badger.NewTransaction(false)
	if c != nil {
		s.precision = sensors.Precision(c.row.Precision)
		s.number = c.number
		for _, seg := range c.segments {
			if seg.Last >= q.From && seg.First < q.To {
				s.segments = append(s.segments, seg)
			}
		}
		for _, f := range db.feeds {
			if f.collection == c && f.role == crdt.Data {
				s.feeds[f.number] = &feedView{
					id: f.id, key: f.author, author: f.author.String(), head: f.head, headCID: f.headCID,
					meta: f.meta, place: metaOf(f.meta), defs: f.meta.series,
				}
				if lenient { // to be read from disk, not from memory
					s.feeds[f.number].defs = nil
				}
			}
		}
	}
	var chunks [][]sensors.Reading
	if t != nil {
		for _, k := range t.chunks {
			chunks = append(chunks, k.Readings)
		}
	}
	db.mu.RUnlock()
	db.commit.RUnlock()

	for _, f := range s.feeds {
		if f.unreadable = db.define(s.txn, f); f.unreadable != nil && !lenient {
			s.close()
			return nil, f.unreadable
		}
	}
	author := db.author.String()
	if !q.writtenBy(author) {
		chunks = nil
	}
	for _, rs := range chunks {
		s.tail = s.appendWanted(s.tail, rs, author, q.From, q.To)
	}
	s.tailOrder = s.arrange(nil, s.tail)
	var err error
	if s.reader, err = newBlockReader(s.txn, s.number); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *snapshot) close() { s.txn.Discard() }

// define loads the definitions of f's meta feed and leaves them for the next query.
func (db *DB) define(txn *badger.Txn, f *feedView) error {
	if f.defs != nil {
		return nil
	}
	defs, err := db.readDefinitions(txn, f.place)
	if err != nil {
		return err
	}
	f.defs = defs
	db.mu.Lock()
	defer db.mu.Unlock()
	if f.meta.head.Seq == f.place.head { // else it grew meanwhile
		f.meta.series = defs
	}
	return nil
}

// appendWanted appends the readings with from ≤ time < to whose series is wanted.
func (s *snapshot) appendWanted(dst []row, rs []sensors.Reading, author string, from, to int64) []row {
	for i := range rs {
		if rs[i].Time >= from && rs[i].Time < to && s.wanted(rs[i].Series) {
			dst = append(dst, row{rs[i], author})
		}
	}
	return dst
}

func (s *snapshot) wanted(series *sensors.Series) bool {
	want, known := s.wants[series]
	if !known {
		want = s.q.matches(series)
		s.wants[series] = want
	}
	return want
}

func (q *Query) writtenBy(author string) bool { return q.Author == "" || q.Author == author }

func (q *Query) matches(s *sensors.Series) bool {
	if q.Series != "" && !matchGlob(q.Series, s.Name) {
		return false
	}
	for _, t := range q.Tags {
		if v, has := s.Tag(t.Key); !has || v != t.Value {
			return false
		}
	}
	return true
}

// matchGlob reports whether text matches pattern, in which * stands for any characters, none included.
func matchGlob(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	for ok {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		var at int
		if at = strings.Index(text, part); at < 0 {
			return false
		}
		text, rest = text[at+len(part):], after
	}
	return false
}
