package sensors

// Row is one reading as views show it: with the author that wrote it.
type Row struct {
	Reading
	Author string // the author's key as a peer ID, "12D3KooW…"
}

// Precision is the number of digits after the second that a collection's times have: 3, 6 or 9.
type Precision uint8

// The precisions that a collection can have.
const (
	Milliseconds Precision = 3
	Microseconds Precision = 6
	Nanoseconds  Precision = 9
)

// Tick returns the nanoseconds of one step.
func (p Precision) Tick() int64 {
	switch p {
	case Milliseconds:
		return 1_000_000
	case Microseconds:
		return 1_000
	case Nanoseconds:
		return 1
	}
	return 1
}

// Round returns the time ns rounded down to the precision (towards the past, also before 1970).
func (p Precision) Round(ns int64) int64 {
	tick := p.Tick()
	rest := ns % tick
	if rest < 0 {
		rest += tick
	}
	return ns - rest
}
