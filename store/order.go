package store

import (
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// place is where a row stands among rows that are not moved: on 64 bits a row has 72 bytes, a place 16.
type place struct {
	time int64
	at   int
}

// arrange appends the places of rows to dst, ordered by time, series, author; newest first when the query
// says so. Equal rows keep their order.
func (s *snapshot) arrange(dst []place, rows []row) []place {
	begin := len(dst)
	for i := range rows {
		dst = append(dst, place{rows[i].Time, i})
	}
	newest := s.q.Newest
	slices.SortFunc(dst[begin:], func(a, b place) int {
		switch {
		case a.time < b.time != newest && a.time != b.time:
			return -1
		case a.time != b.time:
			return 1
		}
		if c := compareRows(&rows[a.at], &rows[b.at]); c != 0 {
			return c
		}
		return a.at - b.at
	})
	return dst
}

// compareRows orders rows of one time.
func compareRows(a, b *row) int {
	if a.Series != b.Series {
		if c := compareSeries(a.Series, b.Series); c != 0 {
			return c
		}
	}
	return strings.Compare(a.author, b.author)
}

// compareSeries orders by name, then tags, then type and unit.
func compareSeries(a, b *sensors.Series) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	c := slices.CompareFunc(a.Tags, b.Tags, func(x, y sensors.Tag) int {
		if c := strings.Compare(x.Key, y.Key); c != 0 {
			return c
		}
		return strings.Compare(x.Value, y.Value)
	})
	if c != 0 {
		return c
	}
	if c := int(a.Type) - int(b.Type); c != 0 {
		return c
	}
	return strings.Compare(a.Unit, b.Unit)
}
