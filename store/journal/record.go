package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A file begins with a header of 32 bytes; integers are little endian:
//
//	 0  8  "skerryJ1"
//	 8  8  number of the file
//	16  8  offset at which the records of the file before it end
//	24  4  how much smaller the number of that file is; 0: there was none
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
// never taken for one that belongs there. A length of zero ends the file.
//
// What is written and synced at once is a group: a record of kind 9 and then the records that it counts. A
// group of which one record is not whole is not there. Only sealed records, and the texts that they
// define, stand outside groups: they are written without a sync of their own.
//
// Kinds and bodies (uv = unsigned varint, zz = zigzag varint, text = uv length and bytes):
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
//	9 group     bytes of the group's other records (4), uv bytes right before this record that were not
//	            synced when it was written; so all that lies before those was, and is damaged if not whole
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
	kindGroup   kind = 9
)

// groupRecordBytes is what a group record takes: its body has at most 4 + 3 bytes.
const (
	groupRecordBytes = 16
	maxUnsynced      = 1<<21 - 1
)

// errTorn marks the place where whole records end.
var errTorn = errors.New("record is not whole")

// fileHeader is what the first bytes of a file say.
type fileHeader struct {
	number      uint64
	previousEnd uint64
	back        uint32
}

func appendFileHeader(dst []byte, h fileHeader) []byte {
	at := len(dst)
	dst = append(dst, fileMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, h.number)
	dst = binary.LittleEndian.AppendUint64(dst, h.previousEnd)
	dst = binary.LittleEndian.AppendUint32(dst, h.back)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], crc32.MakeTable(crc32.Castagnoli)))
}

func parseFileHeader(b []byte) (fileHeader, error) {
	if len(b) < fileHeaderBytes || string(b[:8]) != fileMagic {
		return fileHeader{}, errors.New("not a journal file: its first bytes are not " + fileMagic)
	}
	if crc32.Checksum(b[:28], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[28:]) {
		return fileHeader{}, errors.New("journal file header: checksum mismatch")
	}
	return fileHeader{
		number:      binary.LittleEndian.Uint64(b[8:]),
		previousEnd: binary.LittleEndian.Uint64(b[16:]),
		back:        binary.LittleEndian.Uint32(b[24:]),
	}, nil
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

// appendGroup appends a group record, to be completed by endGroup.
func appendGroup(dst []byte, unsynced uint64) []byte {
	at := len(dst)
	dst = append(beginRecord(dst, kindGroup), 0, 0, 0, 0)
	dst = binary.AppendUvarint(dst, unsynced)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-recordHeaderBytes)) //nolint:gosec // at most 7
	for len(dst)-at < groupRecordBytes {
		dst = append(dst, 0)
	}
	return dst
}

// endGroup completes the group record at the beginning of b, all of whose other records follow it. b
// will lie at offset in file number.
func endGroup(b []byte, number, offset uint64) {
	binary.LittleEndian.PutUint32(b[recordHeaderBytes:], uint32(len(b)-groupRecordBytes)) //nolint:gosec // below MaxFileBytes
	end := recordHeaderBytes + int(binary.LittleEndian.Uint32(b))
	binary.LittleEndian.PutUint32(b[4:], recordSum(number, offset, b[8:end]))
}

// parseGroup reads the body of a group record: the bytes of its other records, and those before it
// that were not synced.
func parseGroup(body []byte) (length, unsynced uint64, err error) {
	f := &fields{b: body}
	b := f.bytes(4)
	unsynced = f.uvarint()
	if err := f.done(); err != nil {
		return 0, 0, err
	}
	return uint64(binary.LittleEndian.Uint32(b)), unsynced, nil
}
