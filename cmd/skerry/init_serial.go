package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/agent"
)

const (
	listenTime  = 3 * time.Second // at each rate
	shownLines  = 6               // of what arrives
	tolerable   = 0.02            // share of garbage at the right rate
	shownColumn = 72
)

// commonBauds are the rates that are tried, the most common first.
func commonBauds() []int { return []int{9600, 115200, 4800, 38400, 19200, 57600} }

// serial asks for a serial port and finds out what arrives there.
func (v *interviewer) serial() error {
	for {
		device, err := v.port()
		if err != nil || device == "" {
			return err
		}
		baud, guess, raw, err := v.listen(device)
		if err != nil {
			return err
		}
		if err := v.offerSerial(device, baud, guess, raw); err != nil {
			return err
		}
		another, err := v.yes("\nAnother serial port", false)
		if err != nil || !another {
			return err
		}
	}
}

// port asks which one; "" is none.
func (v *interviewer) port() (string, error) {
	ports := agent.Ports()
	v.say("\nSerial ports:")
	for i, p := range ports {
		v.say("  %d  %s", i+1, p.Path)
		if p.Target != p.Path {
			v.say("     that is %s", p.Target)
		}
		if p.Hint != "" {
			v.say("     cannot be opened yet: %s", p.Hint)
		}
	}
	preset := "1"
	if len(ports) == 0 {
		v.say("  none was found; a USB adapter shows in: sudo dmesg | tail")
		preset = "none"
	}
	for {
		line, err := v.ask("Which? a number, a path, or none", preset)
		switch n, numberErr := strconv.Atoi(line); {
		case err != nil || line == "none":
			return "", err
		case strings.HasPrefix(line, "/"):
			return line, nil
		case numberErr == nil && n >= 1 && n <= len(ports):
			return ports[n-1].Path, nil
		}
		v.say("  want a number from 1 to %d, a path such as /dev/ttyUSB0, or none", len(ports))
	}
}

// listen tries the common rates until what arrives is text in a format that is known, else takes the best.
func (v *interviewer) listen(device string) (baud int, guess agent.Guess, raw []byte, err error) {
	line, err := v.ask("Baud? a number, or try the common ones", "try")
	if err != nil {
		return 0, guess, nil, err
	}
	rates := commonBauds()
	if n, err := strconv.Atoi(line); err == nil && n > 0 {
		rates = []int{n}
	}
	baud = rates[0]
	for _, rate := range rates {
		heard, status := agent.ListenPort(v.ctx, device, rate, listenTime)
		if v.ctx.Err() != nil {
			return 0, guess, nil, fmt.Errorf("nothing was written: %w", context.Cause(v.ctx))
		}
		if len(heard) == 0 && status.Text != "" {
			v.say("  %s", printable(status.Text))
			if status.Hint != "" {
				v.say("  hint: %s", printable(status.Hint))
			}
			return baud, guess, nil, nil
		}
		g := agent.GuessLine(heard)
		format := g.Format
		if format == "" {
			format = "no format that is known"
		}
		v.say("  %6d baud: %4d bytes, %3.0f %% garbage, %s", rate, len(heard), 100*g.Garbage, format)
		if raw == nil && len(heard) > 0 || g.Read > guess.Read || g.Read == guess.Read && g.Garbage < guess.Garbage && len(heard) > 0 {
			baud, guess, raw = rate, g, heard
		}
		if g.Format != "" && g.Garbage <= tolerable {
			break
		}
	}
	return baud, guess, raw, nil
}

// offerSerial shows what arrived and proposes the source.
func (v *interviewer) offerSerial(device string, baud int, guess agent.Guess, raw []byte) error {
	v.show(raw, guess)
	format := guess.Format
	switch {
	case len(raw) == 0:
		v.say("Nothing arrived: check power, wiring (the sensor's TX to the adapter's RX, and GND) and baud.")
		format = "keyvalue"
	case format == "":
		v.say("No format reads most of this. Lines of a form of their own are read by format = \"regex\"\nwith a pattern: see docs/recipes.md. Modbus does not talk by itself: see docs/modbus.md.")
		format = "keyvalue"
	}
	keep, err := v.yes("Take this port as a source", guess.Format != "")
	if err != nil || !keep {
		return err
	}
	name, err := v.ask("Name of the source", v.free("serial"))
	if err != nil {
		return err
	}
	if format, err = v.ask("Format: keyvalue, json, csv, value, influx, nmea", format); err != nil {
		return err
	}
	section := fmt.Sprintf("[[source.serial]]\nname = %s\ndevice = %s\nbaud = %d\nformat = %s\n", quoteTOML(name), quoteTOML(device), baud, quoteTOML(format))
	if format == "csv" && len(guess.Columns) > 0 {
		columns := make([]string, len(guess.Columns))
		for i, c := range guess.Columns {
			columns[i] = quoteTOML(c)
		}
		section += "columns = [" + strings.Join(columns, ", ") + "]\n"
		if guess.Header {
			section += "header = true\n"
		}
	}
	v.take(name, section+"collection = "+quoteTOML(v.collection)+"\n")
	return nil
}

// show shows the beginning of what arrived, and the first readings.
func (v *interviewer) show(raw []byte, guess agent.Guess) {
	lines := strings.Split(strings.TrimRight(string(raw), "\r\n"), "\n")
	for i, line := range lines {
		if i == shownLines {
			v.say("    … and %d more", len(lines)-i)
			break
		}
		if line = strings.TrimRight(line, "\r"); line != "" {
			v.say("    %s", cut(printable(line), shownColumn))
		}
	}
	if guess.Format == "" {
		return
	}
	v.say("  That is %s: %d of %d pieces are read. The first becomes", guess.Format, guess.Read, guess.Pieces)
	for i, r := range guess.Readings {
		if i == shownLines {
			v.say("    … and %d more", len(guess.Readings)-i)
			break
		}
		v.say("    %s = %s", printable(r.Series.Name), cut(printable(string(r.AppendValue(nil))), shownColumn))
	}
}
