package agent

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
)

// faultyStore fails while it is told to.
type faultyStore struct {
	ingest.Store
	journal error
	seal    map[string]error
}

func (s *faultyStore) Append([]sensors.Batch, []sensors.Loss) error { return s.journal }

func (s *faultyStore) Seal(collection string, _ []*crdt.Block, _, _ int) error {
	return s.seal[collection]
}

// TestHealth_sinceTheStoreFails: a trouble lasts from its first failure to its last, however often it is tried.
func TestHealth_sinceTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, began := newHealth(time.Now), time.Now()
		disk := &faultyStore{seal: map[string]error{}}
		watched := watchedStore{disk, h}
		try := func(after time.Duration, journal, a, b error, want time.Time) {
			t.Helper()
			<-time.After(time.Until(began.Add(after)))
			disk.journal, disk.seal["a"], disk.seal["b"] = journal, a, b
			for err, want := range map[error]error{
				watched.Append(nil, nil): journal, watched.Seal("a", nil, 0, 0): a, watched.Seal("b", nil, 0, 0): b,
			} {
				if !errors.Is(err, want) {
					t.Errorf("after %v: %v instead of %v", after, err, want)
				}
			}
			if got := h.failingSince(); !got.Equal(want) {
				t.Errorf("after %v: failing since %v, want %v", after, got, want)
			}
		}
		full := errors.New("no space left on device")
		try(1*time.Second, nil, nil, nil, time.Time{})
		try(2*time.Second, nil, full, nil, began.Add(2*time.Second))
		try(3*time.Second, nil, full, full, began.Add(2*time.Second))
		try(4*time.Second, nil, nil, full, began.Add(3*time.Second))
		try(5*time.Second, full, nil, full, began.Add(3*time.Second))
		try(6*time.Second, full, nil, nil, began.Add(5*time.Second))
		try(7*time.Second, nil, nil, nil, time.Time{})
		try(8*time.Second, full, nil, nil, began.Add(8*time.Second))
	})
}

// sinkFunc is a sink whose Offer is told err.
type sinkFunc struct {
	sensors.Sink
	err error
}

func (s sinkFunc) Offer(_ sensors.Batch, done func(error)) { done(s.err) }

// TestHealth_sinceTheQueueDrops: the moment of the first batch that a full queue dropped stays.
func TestHealth_sinceTheQueueDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, began := newHealth(time.Now), time.Now()
		offer := func(err error, want time.Time) {
			t.Helper()
			<-time.After(time.Second)
			var told error
			watchedSink{sinkFunc{err: err}, h}.Offer(sensors.Batch{}, func(err error) { told = err })
			watchedSink{sinkFunc{err: err}, h}.Offer(sensors.Batch{}, nil)
			if !errors.Is(told, err) || !h.droppedSince().Equal(want) {
				t.Errorf("told %v, dropped since %v, want %v and %v", told, h.droppedSince(), err, want)
			}
		}
		offer(nil, time.Time{})
		offer(errors.New("disk"), time.Time{})
		offer(sensors.ErrDropped, began.Add(3*time.Second))
		offer(sensors.ErrDropped, began.Add(3*time.Second))
		offer(nil, began.Add(3*time.Second))
	})
}

// TestHealth_items: what has no beginning of its own has that of the first look, until a look without it.
func TestHealth_items(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, began := newHealth(time.Now), time.Now()
		look := func(want time.Time, codes ...api.Health) {
			t.Helper()
			<-time.After(time.Second)
			items := h.items(codes)
			if len(items) != len(codes) || len(items) > 0 && !items[0].Since.Equal(want) {
				t.Errorf("items %+v, want since %v", items, want)
			}
		}
		look(began.Add(1*time.Second), api.Health{Code: "a"})
		look(began.Add(1*time.Second), api.Health{Code: "a"})
		look(time.Time{})
		look(began.Add(4*time.Second), api.Health{Code: "a"})
		look(began, api.Health{Code: "a", Since: began})
		h.refuseConfig("one")
		<-time.After(time.Second)
		h.refuseConfig("two")
		if why, since := h.refusedConfig(); why != "two" || !since.Equal(began.Add(5*time.Second)) {
			t.Errorf("refused %q since %v", why, since)
		}
	})
}

// TestAgent_troublesBeginBeforeAnyoneAsks: the first status call says when each trouble began, not when it was asked.
func TestAgent_troublesBeginBeforeAnyoneAsks(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	if err := taken.Close(); err != nil { // nobody listens there now
		t.Fatal(err)
	}
	g := newGateway(t, `
[[collection]]
name = "climate"
[[source.mqtt]]
name = "plant"
broker = "tcp://`+address+`"
topics = ["a"]
format = "value"
collection = "climate"
`)
	a, _ := g.start(t)
	a.RefuseConfig(errors.New("faulty"))
	deadline := time.After(20 * time.Second)
	for a.now.Load().sourceStatus()[0].State != "retrying" {
		select {
		case <-deadline:
			t.Fatalf("the source is %+v", a.now.Load().sourceStatus()[0])
		case <-time.After(time.Millisecond):
		}
	}
	asked := time.Now()
	status, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, h := range status.Health {
		codes = append(codes, h.Code)
		if h.Since.After(asked) || h.Since.Before(a.started) {
			t.Errorf("%s since %v, want between the start, %v, and the question, %v", h.Code, h.Since, a.started, asked)
		}
	}
	if len(codes) != 2 {
		t.Errorf("health %v, want config_refused and source_plant", codes)
	}
}
