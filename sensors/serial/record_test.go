package serial

import (
	"context"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// deadline is how long a test waits for what must happen.
const deadline = 20 * time.Second

// values decodes "21.5" as a reading named value, and every field of "a=1 b=2".
type values struct{ table *sensors.Table }

func (d values) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	given := len(dst)
	for field := range strings.FieldsSeq(string(raw.Payload)) {
		name, text, found := strings.Cut(field, "=")
		if !found {
			name, text = "value", field
		}
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return dst[:given], &sensors.DecodeError{Reason: sensors.ReasonSyntax, What: err.Error()}
		}
		series, err := d.table.Intern(sensors.Series{Name: name, Type: sensors.Float})
		if err != nil {
			return dst[:given], &sensors.DecodeError{Reason: sensors.ReasonName, What: err.Error()}
		}
		dst = append(dst, sensors.Reading{Series: series, Time: raw.Arrived.UnixNano(), Num: math.Float64bits(number), Quality: raw.Quality})
	}
	return dst, nil
}

// record is a sink that keeps what it is offered, in order.
type record struct {
	t       *testing.T
	batches chan sensors.Batch
}

func (r *record) Add(context.Context, sensors.Batch, func(error)) error {
	r.t.Error("a serial source called Add")
	return nil
}

func (r *record) Offer(b sensors.Batch, done func(error)) {
	if done != nil {
		r.t.Error("a serial source waits for nothing, but it gave a done")
	}
	select {
	case r.batches <- b:
	default:
		r.t.Error("too many batches for this test")
	}
}

// next waits for a batch.
func (r *record) next() sensors.Batch {
	r.t.Helper()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case b := <-r.batches:
		return b
	case <-timer.C:
		r.t.Fatal("no batch arrived")
		return sensors.Batch{}
	}
}

// want waits for a batch with one reading of the value.
func (r *record) want(value float64) sensors.Batch {
	r.t.Helper()
	b := r.next()
	if len(b.Readings) != 1 || b.Readings[0].Float() != value {
		r.t.Fatalf("got %v, want the value %v", b.Readings, value)
	}
	return b
}

// running is a source under test.
type running struct {
	*Source
	*record
	stop func() // returns when Run did
}

// start runs a source until stop or the test's end; change may replace parts of it first.
func start(t *testing.T, c Config, change func(*Source)) *running {
	t.Helper()
	rec := &record{t: t, batches: make(chan sensors.Batch, 1<<14)}
	source := New(c, "climate", values{sensors.NewTable()}, rec,
		func() (time.Time, sensors.Quality) { return time.Now(), sensors.QualityUnsynced },
		discard())
	if change != nil {
		change(source)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		timer := time.NewTimer(deadline)
		defer timer.Stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-timer.C:
			t.Error("Run did not return")
		}
	})
	t.Cleanup(stop)
	return &running{Source: source, record: rec, stop: stop}
}

// until waits until the status is as wanted.
func (r *running) until(what string, is func(sensors.SourceStatus) bool) sensors.SourceStatus {
	r.t.Helper()
	timer, tick := time.NewTimer(deadline), time.NewTicker(2*time.Millisecond)
	defer timer.Stop()
	defer tick.Stop()
	for {
		status := r.Status()
		if is(status) {
			return status
		}
		select {
		case <-tick.C:
		case <-timer.C:
			r.t.Fatalf("the status never was: %s; it is %+v", what, status)
		}
	}
}

func (r *running) untilState(state string) sensors.SourceStatus {
	r.t.Helper()
	return r.until(state, func(s sensors.SourceStatus) bool { return s.State == state })
}

// checkSums checks that every input was counted exactly once.
func checkSums(t *testing.T, s sensors.SourceStatus) {
	t.Helper()
	sum := s.Decoded + s.Repeats
	for _, n := range s.Rejected {
		sum += n
	}
	if sum != s.Offered {
		t.Errorf("offered %d, but decoded + rejected + repeats = %d: %+v", s.Offered, sum, s)
	}
}
