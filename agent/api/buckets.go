package api

import (
	"context"
	"fmt"
	"iter"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// ParseEvery reads the span of a bucket, from a millisecond to a hundred years: whole numbers with the units ms, s, m, h, d (24
// hours) and w, such as 15m or 1h30m.
func ParseEvery(text string) (time.Duration, error) {
	total, ok := parseSpan(text)
	if !ok {
		return 0, fmt.Errorf("%.40q is no span: want a number with its unit, such as 500ms, 10s, 15m, 1h, 1d or 1w", text)
	}
	if total < sensors.MinEvery || total > sensors.MaxEvery {
		return 0, fmt.Errorf("%.40q: want at least 1ms and at most 36525d", text)
	}
	return total, nil
}

// parseSpan reads numbers with units. One that is too large for a Duration is the largest.
func parseSpan(text string) (total time.Duration, ok bool) {
	for len(text) > 0 {
		digits := 0
		for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
			digits++
		}
		n, err := strconv.ParseInt(text[:digits], 10, 64)
		if digits == 0 || err != nil {
			return 0, false
		}
		text = text[digits:]
		letters := 0
		for letters < len(text) && (text[letters] < '0' || text[letters] > '9') {
			letters++
		}
		unit, known := map[string]time.Duration{
			"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
		}[text[:letters]]
		if !known {
			return 0, false
		}
		text = text[letters:]
		if n > int64((math.MaxInt64-total)/unit) {
			total = math.MaxInt64
		} else {
			total += time.Duration(n) * unit
		}
	}
	return total, true
}

// values adds d to the parameters of /v1/query.
func (d Division) values(v url.Values) url.Values {
	v.Set("every", strconv.FormatInt(d.Every.Milliseconds(), 10)+"ms")
	v.Set("agg", sensors.JoinAggregates(d.Aggregates))
	return v
}

// parseDivision is the inverse of values.
func parseDivision(v url.Values) (d Division, err error) {
	switch {
	case !v.Has("every"):
		return d, badRequest("parameter agg: only with every")
	case !v.Has("agg"):
		return d, badRequest("parameter agg: missing; every wants it")
	}
	if d.Every, err = ParseEvery(v.Get("every")); err != nil {
		return d, badRequest("parameter every: %v", err)
	}
	if d.Aggregates, err = sensors.ParseAggregates(v.Get("agg")); err != nil {
		return d, badRequest("parameter agg: %v", err)
	}
	return d, nil
}

// buckets answers /v1/query with every.
func (s *Server) buckets(w http.ResponseWriter, r *http.Request, v url.Values, q Query, typed bool) error {
	d, err := parseDivision(v)
	if err != nil {
		return err
	}
	line := (*sensors.Bucket).AppendJSON
	if typed {
		line = (*sensors.Bucket).AppendTypedJSON
	}
	as := asLines(func(b *sensors.Bucket, dst []byte, p sensors.Precision) []byte { return line(b, dst, p, d.Aggregates) })
	return stream(s, w, r, as, func(ctx context.Context) (sensors.Precision, iter.Seq2[sensors.Bucket, error], error) {
		buckets, err := s.backend.Buckets(ctx, q, d)
		return buckets.Precision, buckets.Seq, err
	})
}

// Buckets streams buckets.
func (c *Client) Buckets(ctx context.Context, q Query, d Division) (Buckets, error) {
	params := d.values(q.values())
	params.Set("types", "true")
	parse := func(line []byte, table *sensors.Table) (sensors.Bucket, error) {
		return sensors.ParseBucket(line, table, d.Aggregates)
	}
	precision, seq, err := streamOf(ctx, c, "/v1/query", params, parse)
	return Buckets{Precision: precision, Seq: seq}, err
}
