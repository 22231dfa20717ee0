package journal

import (
	"encoding/binary"
	"errors"
)

// fields reads the parts of a body; the first fault sticks.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.bad, f.b = true, nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.b)
	if n <= 0 {
		f.bad, f.b = true, nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) bytes(n uint64) []byte {
	if n > uint64(len(f.b)) {
		f.bad, f.b = true, nil
		return nil
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

func (f *fields) byte() byte {
	b := f.bytes(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (f *fields) uint64() uint64 {
	b := f.bytes(8)
	if len(b) == 0 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (f *fields) uint16() uint16 {
	b := f.bytes(2)
	if len(b) == 0 {
		return 0
	}
	return binary.LittleEndian.Uint16(b)
}

func (f *fields) text() string { return string(f.bytes(f.uvarint())) }

// done reports whether the body was read whole and nothing was wrong.
func (f *fields) done() error {
	if f.bad || len(f.b) != 0 {
		return errors.New("malformed body")
	}
	return nil
}
