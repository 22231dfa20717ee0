package crdt

import (
	"bytes"
	"fmt"
)

// EncodeMeta returns the payload (codec "meta/1") that says the entries. An entry that breaks a rule is an
// error that wraps ErrMalformed or ErrLimit, and so is an UnknownEntry. The payload may still be too large for
// one block, at about 4,000 series: then Append says ErrLimit.
func EncodeMeta(entries []Entry) ([]byte, error) {
	if len(entries) > MaxMetaEntries {
		return nil, fmt.Errorf("encode meta: %d entries, want at most %d: %w", len(entries), MaxMetaEntries, ErrLimit)
	}
	if err := checkNumbers(entries); err != nil {
		return nil, fmt.Errorf("encode meta: %w", err)
	}
	c, err := codecs()
	if err != nil {
		return nil, fmt.Errorf("encode meta: %w", err)
	}
	payload := appendHead(nil, majorArray, uint32(len(entries))) //nolint:gosec // at most MaxMetaEntries
	for i, e := range entries {
		item, err := encodeEntry(c, e)
		if err != nil {
			return nil, fmt.Errorf("encode meta entry %d: %w", i, err)
		}
		if len(payload)+len(item) > MaxPayloadBytes {
			return nil, fmt.Errorf("encode meta: more than %d bytes: %w", MaxPayloadBytes, ErrLimit)
		}
		payload = append(payload, item...)
	}
	return payload, nil
}

func encodeEntry(c codec, e Entry) ([]byte, error) {
	if e == nil {
		return nil, fmt.Errorf("no entry: %w", ErrMalformed)
	}
	w, err := e.wire()
	if err != nil {
		return nil, err
	}
	item, err := c.enc.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("marshal: %w", err)
	}
	return item, nil
}

// checkNumbers reports series numbers that are not consecutive.
func checkNumbers(entries []Entry) error {
	var last uint32
	for _, e := range entries {
		s, ok := e.(*SeriesDef)
		if !ok {
			continue
		}
		if last != 0 && s.Number-1 != last {
			return fmt.Errorf("series number %d after %d: %w", s.Number, last, ErrMalformed)
		}
		last = s.Number
	}
	return nil
}

// DecodeMeta is the inverse of EncodeMeta. Entries of unknown kinds come as UnknownEntry; all others must be
// exactly what encoding gives. Errors wrap ErrMalformed or ErrLimit; then there are no entries.
func DecodeMeta(payload []byte) ([]Entry, error) {
	if len(payload) > MaxPayloadBytes {
		return nil, fmt.Errorf("decode meta: %d bytes, want at most %d: %w", len(payload), MaxPayloadBytes, ErrLimit)
	}
	c, err := codecs()
	if err != nil {
		return nil, fmt.Errorf("decode meta: %w", err)
	}
	var items []view
	if err := c.meta.Unmarshal(payload, &items); err != nil {
		return nil, fmt.Errorf("decode meta: %w: %w", ErrMalformed, err)
	}
	var head [5]byte
	rest, ok := bytes.CutPrefix(payload, appendHead(head[:0], majorArray, uint32(len(items)))) //nolint:gosec // bounded by the decoder
	entries := make([]Entry, 0, len(items))
	for i, item := range items {
		// The items must stand one after the other: a tag around one would be skipped by the library.
		if rest, ok = bytes.CutPrefix(rest, item); !ok {
			break
		}
		e, err := decodeEntry(c, item)
		if err != nil {
			return nil, fmt.Errorf("decode meta entry %d: %w", i, err)
		}
		entries = append(entries, e)
	}
	if !ok || len(rest) != 0 {
		return nil, fmt.Errorf("decode meta: not in canonical form: %w", ErrMalformed)
	}
	if err := checkNumbers(entries); err != nil {
		return nil, fmt.Errorf("decode meta: %w", err)
	}
	return entries, nil
}

func decodeEntry(c codec, item view) (Entry, error) {
	code, err := entryCode(c, item)
	if err != nil {
		return nil, err
	}
	var e Entry
	switch code {
	case entrySeries:
		e, err = decodeSeries(c, item)
	case entryAnchor:
		e, err = decodeAnchor(c, item)
	case entryLoss:
		e, err = decodeLoss(c, item)
	case entryCounters:
		e, err = decodeCounters(c, item)
	default:
		return &UnknownEntry{Code: code, Raw: item}, nil
	}
	if err != nil {
		return nil, err
	}
	again, err := encodeEntry(c, e)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, item) {
		return nil, fmt.Errorf("entry of kind %d not in canonical form: %w", code, ErrMalformed)
	}
	return e, nil
}

// entryCode returns the first element of an array, an unsigned integer.
func entryCode(c codec, item view) (uint64, error) {
	if len(item) < 2 || item[0]&0xe0 != majorArray {
		return 0, fmt.Errorf("not an array with a code: %w", ErrMalformed)
	}
	start := 1
	switch info := item[0] & 0x1f; {
	case info == 0:
		return 0, fmt.Errorf("no code: %w", ErrMalformed)
	case info >= 24:
		start += 1 << (info - 24) // 1, 2, 4 or 8 bytes; well-formed, so there are no others
	}
	if start >= len(item) || item[start]&0xe0 != 0 {
		return 0, fmt.Errorf("code is no unsigned integer: %w", ErrMalformed)
	}
	var code uint64
	if _, err := c.meta.UnmarshalFirst(item[start:], &code); err != nil {
		return 0, fmt.Errorf("code: %w: %w", ErrMalformed, err)
	}
	return code, nil
}

func decodeSeries(c codec, item view) (Entry, error) {
	var w wireSeries
	if err := c.meta.Unmarshal(item, &w); err != nil {
		return nil, fmt.Errorf("series: %w: %w", ErrMalformed, err)
	}
	if len(w.Tags)%2 != 0 || len(w.Tags) > 2*MaxTags {
		return nil, fmt.Errorf("series with %d keys and values: %w", len(w.Tags), ErrMalformed)
	}
	s := &SeriesDef{Number: w.Number, Name: w.Name, Unit: w.Unit, Type: w.Type}
	for i := 0; i < len(w.Tags); i += 2 {
		s.Tags = append(s.Tags, SeriesTag{w.Tags[i], w.Tags[i+1]})
	}
	return s, nil
}

func decodeAnchor(c codec, item view) (Entry, error) {
	var w wireAnchor
	if err := c.meta.Unmarshal(item, &w); err != nil {
		return nil, fmt.Errorf("anchor: %w: %w", ErrMalformed, err)
	}
	a := &Anchor{Mono: w.Mono, UTC: w.UTC, Error: w.Error}
	copy(a.Boot[:], w.Boot)
	return a, nil
}

func decodeLoss(c codec, item view) (Entry, error) {
	var w wireLoss
	if err := c.meta.Unmarshal(item, &w); err != nil {
		return nil, fmt.Errorf("loss: %w: %w", ErrMalformed, err)
	}
	l := &Loss{
		FromSeq: w.FromSeq, ToSeq: w.ToSeq, First: w.First, Last: w.Last, Unknown: w.Count == nil,
		Bound: w.Bound, Reason: LossReason(w.Reason), Source: w.Source,
	}
	copy(l.Feed[:], w.Feed)
	if w.Count != nil {
		l.Count = *w.Count
	}
	return l, nil
}

func decodeCounters(c codec, item view) (Entry, error) {
	var w wireCounters
	if err := c.meta.Unmarshal(item, &w); err != nil {
		return nil, fmt.Errorf("counters: %w: %w", ErrMalformed, err)
	}
	return &Counters{w.Decoded, w.Stored, w.Filtered, w.Lost, w.Rejected, w.Repeats}, nil
}
