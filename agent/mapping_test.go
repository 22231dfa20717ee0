package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
)

// mappingExample is one of docs/mapping.md: a configuration's end and rows of time, input and what is kept.
type mappingExample struct {
	config string
	rows   [][3]string
}

// mappingExamples reads the page.
func mappingExamples(t *testing.T) []mappingExample {
	t.Helper()
	text, err := os.ReadFile("../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []mappingExample
	for _, part := range strings.Split(string(text), "<!-- example -->")[1:] {
		var e mappingExample
		for line := range strings.Lines(part) {
			line = strings.TrimRight(line, "\n")
			cells := strings.Split(line, "|")
			switch {
			case strings.HasPrefix(line, "    "):
				e.config += strings.TrimSpace(line) + "\n"
			case len(cells) == 5 && strings.Contains(cells[2], "`"):
				e.rows = append(e.rows, [3]string{strings.TrimSpace(cells[1]), strings.Trim(cells[2], " `"), strings.TrimSpace(cells[3])})
			}
		}
		all = append(all, e)
	}
	return all
}

// TestMapping_examples: what docs/mapping.md says of its examples is what becomes of them.
func TestMapping_examples(t *testing.T) {
	examples := mappingExamples(t)
	if len(examples) < 4 {
		t.Fatalf("%d examples", len(examples))
	}
	for i, e := range examples {
		t.Run(fmt.Sprint(i), func(t *testing.T) { e.run(t) })
	}
}

// notingStore notes what is journalled, and has nothing to seal.
type notingStore struct {
	ingest.Store
	got chan []sensors.Batch
}

func (notingStore) Unsealed(string) (readings, losses, text int) { return 0, 0, 0 }

func (s notingStore) Append(batches []sensors.Batch, _ []sensors.Loss) error {
	s.got <- slices.Clone(batches)
	return nil
}

func (e mappingExample) run(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "skerry.toml")
	text := "[[collection]]\nname = 'c'\n[[source.serial]]\nname = 's'\ndevice = '/dev/ttyS0'\nformat = 'keyvalue'\ncollection = 'c'\n" + e.config
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, warnings, err := config.Load(file)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	source := cfg.Source.Serial[0]
	source.Decode.Types = source.Target.Types()
	format, err := decode.New(source.Decode, "s", nil, sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		t.Fatal(err)
	}
	store := notingStore{got: make(chan []sensors.Batch, 10)}
	c, err := ingest.NewCollection(cfg.Collections[0], make([]byte, 64), ingest.Resume{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := ingest.New(ingest.Config{}, store, []*ingest.Collection{c}, func() (time.Time, bool) { return time.Now(), true }, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	filter := ingest.NewFilter(p, ingest.FilterConfig{Rules: source.Target.Rules(), MaxSeries: 100})
	for _, row := range e.rows {
		if got := mapRow(t, format.Decoder(), filter, store.got, row); got != row[2] {
			t.Errorf("at %s: %s", row[0], cmp.Diff(row[2], got))
		}
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

// mapRow returns what is kept of a row's input, as the page writes it.
func mapRow(t *testing.T, d sensors.Decoder, sink sensors.Sink, journalled chan []sensors.Batch, row [3]string) string {
	t.Helper()
	at, err := time.Parse(time.TimeOnly, row[0])
	if err != nil {
		t.Fatal(err)
	}
	rs, err := d.Decode(nil, sensors.Raw{Source: "s", Payload: []byte(row[1]), Arrived: at.AddDate(2026, 0, 0)})
	if fault, is := errors.AsType[*sensors.DecodeError](err); is {
		return "rejected: " + string(fault.Reason)
	}
	done := make(chan error, 1)
	if err := sink.Add(t.Context(), sensors.Batch{Source: "s", Collection: "c", Readings: rs}, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var kept []string
	for len(journalled) > 0 {
		for _, b := range <-journalled {
			for _, r := range b.Readings {
				kept = append(kept, r.Series.Name+" "+string(r.AppendValue(nil)))
			}
		}
	}
	return strings.Join(kept, ", ")
}
