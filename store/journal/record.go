package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A file begins with a header of 32 bytes; integers are little endian:
//
//	 0  8  "skerryJ1"
//	 8  8  number of the file
//	16  8  offset at which the records of the file before it end; 0 for the first
//	24  4  zero
//	28  4  CRC-32C of bytes 0..27
//
// Then records follow, each beginning at a multiple of 8 and padded with zeros to the next:
//
//	0  4  length of the body, > 0
//	4  4  CRC-32C of: number of the file (8), offset of the record (8), kind (1), body
//	8  1  kind
//	9  n  body
//
// The file's number and the record's offset are in the CRC, so that a stale or displaced record is
// never taken for one that belongs there. A length of zero ends the file. Kinds and bodies (uv =
// unsigned varint, zz = zigzag varint, text = uv length and bytes):
//
//	1 text      uv number, text                        numbers count up from 0 in each file
//	2 series    uv number, type (1), text name, text unit, uv tags, (text key, text value) each
//	3 rows      uv collection's text, uv count, then per reading: uv series, quality (1),
//	            zz time since the reading before (ns), value: float 8 bytes, int zz, bool 1 byte, string text
//	4 columns   uv collection's text, uv count, payload of codec columns/1 with the file's series numbers
//	5 origins   uv source's text, uv client's text, uv count, then per message: packet id (2), hash (8)
//	6 sealed    uv count, then per feed: uv collection's text, id (16), uv seq, uv length and CID,
//	            uv file, uv offset, uv index (what is sealed of the journal), uv readings sealed ever
//	7 loss      uv collection's text, uv source's text, zz first, zz last, uv count, reason (1)
//	8 clock     boot id (8), zz base: arrival times of readings that follow, where marked unsynced, are
//	            base + what that boot's monotonic clock showed, ns
const (
	fileHeaderBytes   = 32
	recordHeaderBytes = 9
	recordAlign       = 8

	// MaxBody is the largest body that a reader accepts.
	MaxBody = 8 << 20
)

const fileMagic = "skerryJ1"

type kind uint8

const (
	kindText    kind = 1
	kindSeries  kind = 2
	kindRows    kind = 3
	kindColumns kind = 4
	kindOrigins kind = 5
	kindSealed  kind = 6
	kindLoss    kind = 7
	kindClock   kind = 8
)

// errTorn marks the place where whole records end.
var errTorn = errors.New("record is not whole")

func appendFileHeader(dst []byte, number, previousEnd uint64) []byte {
	at := len(dst)
	dst = append(dst, fileMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, number)
	dst = binary.LittleEndian.AppendUint64(dst, previousEnd)
	dst = append(dst, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], crc32.MakeTable(crc32.Castagnoli)))
}

// parseFileHeader returns the file's number and where the records of the file before it end.
func parseFileHeader(b []byte) (number, previousEnd uint64, err error) {
	if len(b) < fileHeaderBytes || string(b[:8]) != fileMagic {
		return 0, 0, errors.New("not a journal file: its first bytes are not skerryJ1")
	}
	if crc32.Checksum(b[:28], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[28:]) {
		return 0, 0, errors.New("journal file header: checksum mismatch")
	}
	return binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), nil
}

// beginRecord appends a header to be filled by endRecord.
func beginRecord(dst []byte, k kind) []byte {
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(k))
}

// endRecord completes the record that begins at dst[at:] and will lie at offset in file number.
func endRecord(dst []byte, at int, number, offset uint64) []byte {
	rec := dst[at:]
	binary.LittleEndian.PutUint32(rec[0:], uint32(len(rec)-recordHeaderBytes)) //nolint:gosec // the encoder keeps bodies below MaxBody
	binary.LittleEndian.PutUint32(rec[4:], recordSum(number, offset, rec[8:]))
	for (len(dst)-at)%recordAlign != 0 {
		dst = append(dst, 0)
	}
	return dst
}

func recordSum(number, offset uint64, kindAndBody []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[0:], number)
	binary.LittleEndian.PutUint64(place[8:], offset)
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(place[:], table), table, kindAndBody)
}

// parseRecord returns the record at the beginning of b, which lies at offset of file number, and the
// whole size that it takes. errTorn: there is no whole record here.
func parseRecord(b []byte, number, offset uint64) (k kind, body []byte, size int, err error) {
	if len(b) < recordHeaderBytes {
		return 0, nil, 0, errTorn
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > MaxBody || uint64(n)+recordHeaderBytes > uint64(len(b)) {
		return 0, nil, 0, errTorn
	}
	end := recordHeaderBytes + int(n)
	if recordSum(number, offset, b[8:end]) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, nil, 0, errTorn
	}
	size = min((end+recordAlign-1)/recordAlign*recordAlign, len(b))
	return kind(b[8]), b[recordHeaderBytes:end], size, nil
}

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
		return fmt.Errorf("malformed body")
	}
	return nil
}
