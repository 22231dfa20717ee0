package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
)

const (
	lookEvery     = time.Second     // at the source's state, while nothing arrives
	quietAfter    = 5 * time.Second // without input it is said what to check
	shownReadings = 16              // of one input, to people
	wholeBytes    = 1024            // of raw input: beyond it is not transferred
	shownColumns  = 200             // of raw input, where there is no terminal
)

// advice is what to know of a source that is silent.
type advice struct {
	about string        // what it is, in one line
	check string        // what to check
	quiet time.Duration // silence that is worth a word
}

// adviceFor reads a source's configuration.
func adviceFor(cfg *config.Config, name string) advice {
	for i := range cfg.Source.Serial {
		if c := &cfg.Source.Serial[i]; c.Port.Name == name {
			return advice{
				fmt.Sprintf("serial line %s, %d baud, framing %s, format %s", c.Port.Device, c.Port.Baud, c.Port.Framing, c.Decode.Format),
				fmt.Sprintf("check that the sensor has power and sends by itself, the wiring (its TX to the adapter's RX, and GND), and baud = %d", c.Port.Baud),
				quietAfter,
			}
		}
	}
	for i := range cfg.Source.MQTT {
		if c := &cfg.Source.MQTT[i]; c.Door.Name == name {
			topics := strings.Join(c.Door.Topics, ", ")
			return advice{
				fmt.Sprintf("broker %s, topics %s, format %s", c.Door.Broker, topics, c.Decode.Format),
				"compare the topics with what the broker has (mosquitto_sub -v -t '#'); many devices send only every few minutes",
				quietAfter,
			}
		}
	}
	for i := range cfg.Source.Modbus {
		if c := &cfg.Source.Modbus[i]; c.Bus.Name == name {
			return advice{
				fmt.Sprintf("Modbus %s%s, polled every %v", c.Line.Device, c.Bus.Address, c.Bus.Interval),
				"check power, wiring (A and B swapped?), unit_id, baud and parity",
				quietAfter + c.Bus.Timeout,
			}
		}
	}
	return advice{check: "check wiring, baud and topics", quiet: quietAfter}
}

// show prints inputs until ctx ends. stop ends ctx, and with it the stream.
func (t *sourceTest) show(ctx context.Context, stop context.CancelFunc) error {
	if t.advice.quiet == 0 {
		t.advice.quiet = quietAfter
	}
	err := t.begin()
	if err != nil {
		stop()
		return err
	}
	arrived, ended := make(chan api.Input), make(chan error, 1)
	go func() {
		defer close(arrived)
		ended <- forwardInputs(ctx, t.inputs, arrived)
	}()
	count, last, err := t.print(ctx, arrived)
	interrupted := ctx.Err()
	stop()
	for range arrived { // lets the stream end
	}
	if streamErr := <-ended; err == nil && interrupted == nil {
		err = streamErr
	}
	if err != nil {
		return err
	}
	return t.end(count, interrupted, last)
}

func forwardInputs(ctx context.Context, inputs api.Inputs, to chan<- api.Input) error {
	for in, err := range inputs.Seq {
		if err != nil {
			return err
		}
		select {
		case to <- in:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// begin says what is shown.
func (t *sourceTest) begin() error {
	if t.asJSON {
		return nil
	}
	how := "watched in the running agent"
	if t.solo {
		how = "opened here, as no agent runs; nothing is stored"
	}
	about := t.name
	if t.advice.about != "" {
		about += ": " + t.advice.about
	}
	_, err := fmt.Fprintf(t.out, "%s\n%s; Ctrl-C ends\n\n", about, how)
	return err
}

// tallied counts what was shown.
type tallied struct {
	inputs, readings, missed uint64
	rejected                 map[api.Reason]uint64
}

// print prints inputs, and what is wrong while there are none, until ctx or the stream ends.
func (t *sourceTest) print(ctx context.Context, arrived <-chan api.Input) (count tallied, last api.SourceStatus, err error) {
	count.rejected = map[api.Reason]uint64{}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	w := &watch{test: t, since: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return count, w.last, nil
		case in, open := <-arrived:
			if !open {
				return count, w.last, nil
			}
			w.since, w.told = time.Now(), false
			count.add(in)
			if err := t.write(in); err != nil {
				return count, w.last, err
			}
		case now := <-look.C:
			w.look(ctx, now)
		}
	}
}

func (c *tallied) add(in api.Input) {
	c.missed += in.Missed
	if in.Pending {
		return
	}
	c.inputs++
	c.readings += uint64(max(in.Count, 0))
	if in.Fault != nil {
		c.rejected[in.Fault.Reason]++
	}
}

// A watch says what is wrong while nothing arrives.
type watch struct {
	test  *sourceTest
	since time.Time // of the last input
	text  string    // what was said of the state
	last  api.SourceStatus
	told  bool // what to check was said, since the last input
}

func (w *watch) look(ctx context.Context, now time.Time) {
	quiet := now.Sub(w.since)
	if quiet < lookEvery {
		return
	}
	s, err := w.test.status(ctx)
	if err != nil {
		return // the stream ends, too
	}
	if w.last = s; s.Text != w.text {
		w.text = s.Text
		w.note(s.State, s.Text, s.Hint)
		if strings.Contains(s.Text, "in use by another program") {
			w.note("", "", "if an agent holds it, name its --config or its --socket, and it is watched there")
		}
	}
	if w.told || quiet < w.test.advice.quiet || s.State != "connected" || s.Text != "" {
		return
	}
	w.told = true
	check := w.test.advice.check
	if check == "" {
		check = map[string]string{
			"serial": "check wiring, power and baud", "mqtt": "check the topics; many devices send only every few minutes",
		}[s.Kind]
	}
	w.note("", fmt.Sprintf("nothing arrived for %s", spanText(quiet)), check)
}

func (w *watch) note(state, text, hint string) {
	if text != "" {
		if state != "" {
			text = state + ": " + text
		}
		_, _ = fmt.Fprintln(w.test.notes, printable(text))
	}
	if hint != "" {
		_, _ = fmt.Fprintln(w.test.notes, "hint:", printable(hint))
	}
}

// write prints one input.
func (t *sourceTest) write(in api.Input) error {
	if t.asJSON {
		line, err := in.AppendJSON(nil, t.inputs.Precision)
		if err == nil {
			_, err = t.out.Write(append(line, '\n'))
		}
		return err
	}
	width := terminalWidth(t.out)
	if width == 0 {
		width = shownColumns
	}
	_, err := io.WriteString(t.out, inputText(in, width))
	return err
}

// inputText is an input as people read it: a line for what arrived, and below it a line for each reading, or why there is none.
func inputText(in api.Input, width int) string {
	var b strings.Builder
	if in.Missed > 0 {
		fmt.Fprintf(&b, "              %s not shown: too many for this terminal\n", plural(in.Missed, "input"))
	}
	head := in.Time.Local().Format("15:04:05.000") + "  "
	if in.Topic != "" {
		head += printable(in.Topic) + "  "
	}
	b.WriteString(cut(head+rawText(in), width))
	b.WriteByte('\n')
	switch {
	case in.Pending:
		fmt.Fprintf(&b, "    %s so far, without the end of a frame: check baud and framing\n", plural(uint64(max(in.Size, 0)), "byte"))
	case in.Fault != nil:
		b.WriteString(cut("    rejected, "+printable(in.Fault.Error()), max(width, 4*shownReadings)))
		b.WriteByte('\n')
	case in.Count == 0:
		b.WriteString("    no reading\n")
	}
	wide := 0
	shown := in.Readings[:min(len(in.Readings), shownReadings)]
	for _, r := range shown {
		wide = max(wide, utf8.RuneCountInString(printable(r.Series.Name)))
	}
	for _, r := range shown {
		b.WriteString(cut(readingText(r, wide, in.Time), width))
		b.WriteByte('\n')
	}
	if more := in.Count - len(shown); more > 0 {
		fmt.Fprintf(&b, "    … and %d more\n", more)
	}
	return b.String()
}

// rawText is what arrived, as far as it is printable; lines of a message are shown as one.
func rawText(in api.Input) string {
	raw := in.Raw()
	if text := string(in.Payload); printable(text) == text && utf8.ValidString(text) {
		raw = text // without the escapes of quotes
	}
	if in.Size > len(in.Payload) && len(in.Payload) >= wholeBytes { // a frame's end counts in its size
		raw += " … " + strconv.Itoa(in.Size) + " bytes"
	}
	return raw
}

// readingText is one reading: name, value, unit, tags, and its time where that is not the time of arrival.
func readingText(r api.Reading, wide int, arrived time.Time) string {
	var b strings.Builder
	b.WriteString("    ")
	pad(&b, printable(r.Series.Name), wide, false)
	b.WriteString("  ")
	if r.Series.Type == api.String {
		b.WriteString(strconv.Quote(r.Str))
	} else {
		b.Write(r.AppendValue(nil))
	}
	if r.Series.Unit != "" {
		b.WriteString(" " + printable(r.Series.Unit))
	}
	for _, tag := range r.Series.Tags {
		b.WriteString("  " + printable(tag.Key) + "=" + printable(tag.Value))
	}
	if at := time.Unix(0, r.Time); at.Sub(arrived).Abs() > time.Second {
		b.WriteString("  at " + localTime(at))
	}
	return b.String()
}

// cut shortens text to width columns.
func cut(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:max(width-1, 0)]) + "…"
}

// end says what was shown in all. Nothing within --for is a failure.
func (t *sourceTest) end(count tallied, interrupted error, last api.SourceStatus) error {
	if count.inputs == 0 && errors.Is(interrupted, context.DeadlineExceeded) {
		if last.Text != "" {
			return withHint(fmt.Errorf("nothing arrived within %v: %s", t.lasts, last.Text), last.Hint)
		}
		return withHint(fmt.Errorf("nothing arrived within %v", t.lasts), t.advice.check)
	}
	if t.asJSON {
		return nil
	}
	text := fmt.Sprintf("\n%s, %s", plural(count.inputs, "input"), plural(count.readings, "reading"))
	var rejected uint64
	var reasons []string
	for _, n := range count.rejected {
		rejected += n
	}
	for _, reason := range slices.Sorted(maps.Keys(count.rejected)) {
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, count.rejected[reason]))
	}
	if rejected > 0 {
		text += fmt.Sprintf(", %d rejected (%s)", rejected, strings.Join(reasons, ", "))
	}
	if count.missed > 0 {
		text += fmt.Sprintf(", %d not shown", count.missed)
	}
	_, err := fmt.Fprintln(t.out, text)
	return err
}
