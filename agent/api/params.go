package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// Limits of a request's parameters.
const (
	maxGlobBytes   = 1024
	maxAuthorBytes = 256
	maxParams      = 64
)

// values returns q as the parameters of /v1/query.
func (q Query) values() url.Values {
	v := url.Values{"collection": {q.Collection}}
	if q.From != 0 {
		v.Set("from", string(sensors.AppendTime(nil, q.From, sensors.Nanoseconds)))
	}
	if q.To != 0 {
		v.Set("to", string(sensors.AppendTime(nil, q.To, sensors.Nanoseconds)))
	}
	if q.Series != "" {
		v.Set("series", q.Series)
	}
	for _, tag := range q.Tags {
		v.Add("tag", tag.Key+"="+tag.Value)
	}
	if q.Author != "" {
		v.Set("author", q.Author)
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.FormatInt(q.Limit, 10))
	}
	if q.Newest {
		v.Set("newest", "true")
	}
	return v
}

// parseParams reads a request's parameters; only those of known may be there, all but tag at most once.
func parseParams(raw string, known []string) (url.Values, error) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest("read parameters: %v", err)
	}
	for name, all := range v {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			return nil, badRequest("parameter %.40q: this route takes none", name)
		case !slices.Contains(known, name):
			return nil, badRequest("parameter %.40q: unknown; known are %s", name, strings.Join(known, ", "))
		case name != "tag" && len(all) > 1, len(all) > maxParams:
			return nil, badRequest("parameter %q: given %d times", name, len(all))
		}
		for _, text := range all {
			if !utf8.ValidString(text) {
				return nil, badRequest("parameter %q: not UTF-8", name)
			}
		}
	}
	return v, nil
}

// parseQuery is the inverse of values.
func parseQuery(v url.Values) (Query, error) {
	q := Query{Series: v.Get("series")}
	var err error
	if q.Collection, err = parseCollection(v); err != nil {
		return Query{}, err
	}
	if len(q.Series) > maxGlobBytes {
		return Query{}, badRequest("parameter series: %d bytes, want at most %d", len(q.Series), maxGlobBytes)
	}
	if q.Author = v.Get("author"); len(q.Author) > maxAuthorBytes {
		return Query{}, badRequest("parameter author: %d bytes, want at most %d", len(q.Author), maxAuthorBytes)
	}
	if q.From, err = parseInstant(v, "from"); err != nil {
		return Query{}, err
	}
	q.From = max(q.From, 0) // nothing is older
	if q.To, err = parseInstant(v, "to"); err != nil {
		return Query{}, err
	}
	if v.Has("to") && q.To <= 0 {
		return Query{}, badRequest("parameter to: %q is not after 1970-01-01T00:00:00Z", v.Get("to"))
	}
	for _, text := range v["tag"] {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return Query{}, badRequest("parameter tag: %.40q is not of the form key=value", text)
		}
		q.Tags = append(q.Tags, sensors.Tag{Key: key, Value: value})
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.ParseInt(text, 10, 64); err != nil || q.Limit < 0 {
			return Query{}, badRequest("parameter limit: %.40q is no whole number of rows", text)
		}
	}
	if q.Newest, err = parseBool(v, "newest"); err != nil {
		return Query{}, err
	}
	return q, nil
}

// parseBool reads a parameter that is true or false; one that is not there is false.
func parseBool(v url.Values, name string) (bool, error) {
	text := v.Get(name)
	if text == "" {
		return false, nil
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		return false, badRequest("parameter %s: %.40q is neither true nor false", name, text)
	}
	return is, nil
}

func parseCollection(v url.Values) (string, error) {
	name := v.Get("collection")
	if name == "" {
		return "", badRequest("parameter collection: missing")
	}
	if err := sensors.CheckName(name); err != nil {
		return "", badRequest("parameter collection: %v", err)
	}
	return name, nil
}

// parseInstant reads an RFC 3339 time into nanoseconds since 1970; a parameter that is not there is 0.
func parseInstant(v url.Values, name string) (int64, error) {
	text := v.Get(name)
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, badRequest("parameter %s: %.60q is not RFC 3339, such as 2026-08-20T12:00:00Z", name, text)
	}
	ns := t.UnixNano()
	if !time.Unix(0, ns).Equal(t) {
		return 0, badRequest("parameter %s: %.60q is before 1678 or after 2261", name, text)
	}
	return ns, nil
}
