package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func elements(n int) func(func(int, error) bool) {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func TestProgress_onlyOnTerminals(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, false, "rows", 1000)
	count := 0
	for range tally(p, elements(1000)) {
		count++
	}
	p.show(5, 10)
	p.end()
	if p != nil || count != 1000 || out.Len() != 0 {
		t.Errorf("%d elements, %q, want 1000 and nothing", count, out.String())
	}
}

func TestProgress_showsWhatTakesLong(t *testing.T) {
	for total, want := range map[int64]string{2000: "/2000, ", 300: "/", unknownTotal: "/-, "} {
		var quick, slow bytes.Buffer
		for range tally(startProgress(&quick, "rows", total, time.Now().Add(time.Hour)), elements(1000)) {
		}
		p := startProgress(&slow, "rows", total, time.Now().Add(-time.Hour))
		count := 0
		for range tally(p, elements(1000)) {
			count++
		}
		p.end()
		if quick.Len() != 0 {
			t.Errorf("of %d: what is quick shows %q", total, quick.String())
		}
		if text := slow.String(); count != 1000 || !strings.Contains(text, want) || !strings.HasSuffix(text, "\r") {
			t.Errorf("of %d: %d elements, %q, want %q in it and a clear line", total, count, text, want)
		}
	}
}
