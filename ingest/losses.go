package ingest

import (
	"math"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// lossSums gathers losses by what they have in common. It is bounded: beyond maxLossHours entries the
// hours of one source are joined, so there are at most as many more as there are sources and collections.
type lossSums map[lossKey]sensors.Loss

type lossKey struct {
	collection, source string
	reason             sensors.LossReason
	hour               int64 // of the first reading, since 1970; anyHour: several
}

const (
	maxLossHours = 512
	anyHour      = math.MinInt64
)

// add counts a batch that a full queue dropped.
func (s lossSums) add(b *sensors.Batch) {
	if len(b.Readings) == 0 {
		return
	}
	l := sensors.Loss{
		Collection: b.Collection, Source: b.Source, Reason: sensors.LostQueueFull,
		First: b.Readings[0].Time, Last: b.Readings[0].Time, Count: uint64(len(b.Readings)),
	}
	for i := range b.Readings {
		l.First, l.Last = min(l.First, b.Readings[i].Time), max(l.Last, b.Readings[i].Time)
	}
	s.put(l)
}

func (s lossSums) put(l sensors.Loss) {
	s.merge(lossKey{l.Collection, l.Source, l.Reason, l.First / int64(time.Hour)}, l)
}

func (s lossSums) merge(k lossKey, l sensors.Loss) {
	have, is := s[k]
	if !is && len(s) >= maxLossHours {
		k.hour = anyHour
		have, is = s[k]
	}
	if is {
		l.First, l.Last = min(l.First, have.First), max(l.Last, have.Last)
		l.Count += have.Count
	}
	s[k] = l
}

// lossBytes is at least what a loss takes in a meta payload, without its source.
const lossBytes = 80

// joinLosses joins what sealed losses have in common until they fit into the meta blocks of a seal: first
// by source, reason and hour, then by source and reason, then by reason. Counts stay exact.
func joinLosses(losses []sensors.Loss) []sensors.Loss {
	coarser := []func(*lossKey){
		func(*lossKey) {},
		func(k *lossKey) { k.hour = anyHour },
		func(k *lossKey) { k.hour, k.source = anyHour, "" },
	}
	var out []sensors.Loss
	for _, coarse := range coarser {
		at := map[lossKey]int{}
		out = out[:0]
		size := 0
		for _, l := range losses {
			k := lossKey{source: l.Source, reason: l.Reason, hour: l.First / int64(time.Hour)}
			coarse(&k)
			i, have := at[k]
			if !have {
				at[k] = len(out)
				l.Source = k.source
				out = append(out, l)
				size += lossBytes + len(l.Source)
				continue
			}
			out[i].First, out[i].Last = min(out[i].First, l.First), max(out[i].Last, l.Last)
			out[i].Count += l.Count
		}
		if size <= (sealLosses-1)*metaPayload {
			break
		}
	}
	return out
}
