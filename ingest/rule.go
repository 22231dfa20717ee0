package ingest

import (
	"fmt"
	"hash/maphash"
	"math"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// Rule says which readings of a series are kept; the zero value keeps all. A reading is judged against the last one
// that was kept, by their times:
//
//   - the first is kept;
//   - one nearer than MinInterval, before or after, is not;
//   - one that is older is kept: nothing is known of the time before;
//   - one at least Heartbeat later is kept;
//   - of the rest, one that changed is kept. Without OnChange and deadbands all of them are.
//
// A number changed when it differs by more than Deadband and by more than DeadbandPercent of the last kept value's
// magnitude; with neither, and any other value, when it differs at all. NaN and the infinities differ from
// everything but themselves.
//
// Sensors' clocks may stand or be wrong, so whatever the times say, one is kept when by this gateway's clock the last
// was kept Heartbeat ago, or without Heartbeat standstill times MinInterval.
type Rule struct {
	Deadband        float64       `toml:"deadband"`         // in the value's unit, after scaling
	DeadbandPercent float64       `toml:"deadband_percent"` // 0 to 100
	Heartbeat       time.Duration `toml:"heartbeat"`        // 0: none
	MinInterval     time.Duration `toml:"min_interval"`     // 0: none
	OnChange        bool          `toml:"on_change"`
}

// standstill is how many times min_interval a sensor's clock may stand still before its readings are kept all the same.
const standstill = 10

// Filters reports whether the rule drops anything.
func (r Rule) Filters() bool { return r.Compares() || r.MinInterval > 0 }

// Compares reports whether the rule drops what did not change.
func (r Rule) Compares() bool { return r.OnChange || r.Deadbands() }

// Deadbands reports whether small changes are none.
func (r Rule) Deadbands() bool { return r.Deadband > 0 || r.DeadbandPercent > 0 }

// Validate reports every fault: the key, what is wrong with it and what to do.
func (r Rule) Validate(report func(key, what, hint string)) {
	if !(r.Deadband >= 0) || math.IsInf(r.Deadband, 0) { // NaN is not
		report("deadband", fmt.Sprintf("%v is no change of a value", r.Deadband), "want a positive number, in the value's unit")
	}
	if !(r.DeadbandPercent >= 0 && r.DeadbandPercent <= 100) {
		report("deadband_percent", fmt.Sprintf("%v is out of range", r.DeadbandPercent), "want 0 to 100, of the last value that was kept")
	}
	if r.Heartbeat < 0 {
		report("heartbeat", fmt.Sprintf("%v is negative", r.Heartbeat), "")
	}
	if r.MinInterval < 0 {
		report("min_interval", fmt.Sprintf("%v is negative", r.MinInterval), "")
	}
	if r.Heartbeat > 0 && r.Heartbeat < r.MinInterval {
		report("heartbeat", fmt.Sprintf("%v is less than min_interval, %v", r.Heartbeat, r.MinInterval), "a reading cannot be due before it may come")
	}
}

// ready is a Rule made ready. Immutable.
type ready struct {
	Rule
	whole    uint64 // the largest whole change within Deadband
	patience int64  // by this gateway's clock, in ns; 0: for ever
}

func newReady(r Rule) *ready {
	made := &ready{Rule: r, whole: wholeBelow(r.Deadband), patience: int64(r.Heartbeat)}
	if r.Heartbeat == 0 {
		made.patience = int64(min(r.MinInterval, math.MaxInt64/standstill)) * standstill
	}
	return made
}

// kept is what is remembered of the last reading that was kept of a series.
type kept struct {
	num  uint64
	text string // of strings up to keptText; of longer ones num is a hash
	time int64  // the reading's, in ns
	at   int64  // by this gateway's clock, in ns
}

// keptText is the length up to which a string is remembered as it is.
const keptText = 64

func keep(r *sensors.Reading, at int64, seed maphash.Seed) kept {
	k := kept{num: r.Num, time: r.Time, at: at}
	switch {
	case r.Series.Type != sensors.String:
	case len(r.Str) <= keptText:
		k.text = r.Str
	default:
		k.num = maphash.String(seed, r.Str)
	}
	return k
}

// takes reports whether the reading that next is of is to be kept, last being the last that was.
func (r *ready) takes(last, next *kept, t sensors.Type) bool {
	if r.patience > 0 && next.at-last.at >= r.patience {
		return true
	}
	since := next.time - last.time
	switch {
	case r.MinInterval > 0 && since < int64(r.MinInterval) && since > -int64(r.MinInterval):
		return false
	case since < 0, r.Heartbeat > 0 && since >= int64(r.Heartbeat), !r.Compares():
		return true
	}
	switch t {
	case sensors.Float:
		return r.changedFloat(math.Float64frombits(last.num), math.Float64frombits(next.num))
	case sensors.Int:
		return r.changedInt(int64(last.num), int64(next.num)) //nolint:gosec // two's complement by definition
	case sensors.Bool, sensors.String:
	}
	return last.num != next.num || last.text != next.text
}

// tolerance is how much two doubles of magnitude 1 may be off what was sent: a last digit each, and the scaling's
// rounding. Without it 21.9 to 22.1 would be a change of more than 0.2.
const tolerance = 0x1p-52

func (r *ready) changedFloat(last, next float64) bool {
	switch {
	case last == next || last != last && next != next: //nolint:gocritic // NaN is not itself
		return false
	case !r.Deadbands() || math.IsNaN(last-next) || math.IsInf(last, 0) || math.IsInf(next, 0):
		return true
	}
	last, size := math.Abs(last), math.Abs(next-last)
	limit := max(r.Deadband, r.DeadbandPercent*last/100)
	return size > limit+tolerance*last+tolerance*math.Abs(next)
}

func (r *ready) changedInt(last, next int64) bool {
	if last == next {
		return false
	}
	size := uint64(next) - uint64(last) //nolint:gosec // modulo 2^64, and the difference is below
	if next < last {
		size = -size
	}
	limit := r.whole
	if r.DeadbandPercent > 0 {
		limit = max(limit, wholeBelow(r.DeadbandPercent*math.Abs(float64(last))/100))
	}
	return size > limit
}

// wholeBelow returns the largest whole number that is not above v, which is not negative.
func wholeBelow(v float64) uint64 {
	if v >= 1<<64 {
		return math.MaxUint64
	}
	return uint64(v)
}
