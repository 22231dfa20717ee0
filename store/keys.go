package store

import (
	"encoding/binary"
	"math"

	"github.com/skerry-edge/skerry/crdt"
)

// Keys in Badger. Integers are big endian, so that keys sort by them. Collections and feeds have
// numbers that are this store's own, given in the order in which they were first seen.
//
//	m NAME                                            kept free for settings of the store
//	c collection(4)                                   catalog: name, kind, precision, own feeds
//	f feed(4)                                         catalog: id, collection, role, author, meta feed
//	o feed(4)                                         opening block
//	h feed(4)                                         head: seq, CID, counters, sealed_to, commit
//	M collection(4) feed(4) seq(8)                    block of a meta feed; never pruned
//	b collection(4) bucket(4) part(2) feed(4) seq(8)  block of a data feed, in its segment
//	s collection(4) bucket(4) part(2)                 segment: times, blocks, readings, bytes
//	t collection(4) bucket(4) part(2) feed(4) seq(8)  time index: up to 32 blocks of a feed from seq on
//	d feed(4) seq(8)                                  directory: blocks from seq on lie in this segment
//
// A segment is (bucket, part): the bucket is the day (since 1970, UTC) of the block's last time, with bit 31 set for blocks
// whose clock was unsynced. The times of these are what that clock showed at arrival, so the day is the one that it
// believed in, and the parts of a day are in the order of arrival. A part is up to 16 MiB.
const (
	keyCollection = 'c'
	keyFeed       = 'f'
	keyOpening    = 'o'
	keyHead       = 'h'
	keyMetaBlock  = 'M'
	keyBlock      = 'b'
	keySegment    = 's'
	keyTimes      = 't'
	keyDirectory  = 'd'
)

const (
	bucketNanos    = int64(86_400_000_000_000)
	unsyncedBucket = uint32(1) << 31
	partBytes      = 16 << 20
)

// segment names a part of a collection that is dropped as a whole.
type segment struct {
	bucket uint32
	part   uint16
}

// bucketOf returns the bucket of a block. What is before 1970 is in day 0.
func bucketOf(c crdt.Clock) uint32 {
	day := max(c.Last(), 0) / bucketNanos // at most 106,751: the range of int64 nanoseconds
	b := uint32(day)                      //nolint:gosec // bounded above
	if c.Quality != crdt.ClockSynced {
		b |= unsyncedBucket
	}
	return b
}

func numberKey(kind byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, n)
}

func segmentKey(kind byte, collection uint32, s segment) []byte {
	k := make([]byte, 0, 23)
	k = append(k, kind)
	k = binary.BigEndian.AppendUint32(k, collection)
	k = binary.BigEndian.AppendUint32(k, s.bucket)
	return binary.BigEndian.AppendUint16(k, s.part)
}

func blockKey(kind byte, collection uint32, s segment, feed uint32, seq uint64) []byte {
	k := binary.BigEndian.AppendUint32(segmentKey(kind, collection, s), feed)
	return binary.BigEndian.AppendUint64(k, seq)
}

func metaKey(collection, feed uint32, seq uint64) []byte {
	k := binary.BigEndian.AppendUint32(numberKey(keyMetaBlock, collection), feed)
	return binary.BigEndian.AppendUint64(k, seq)
}

func directoryKey(feed uint32, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(numberKey(keyDirectory, feed), seq)
}

// parseNumberKey returns the number of a key made by numberKey.
func parseNumberKey(k []byte) (uint32, bool) {
	if len(k) != 5 {
		return 0, false
	}
	return binary.BigEndian.Uint32(k[1:]), true
}

func parseSegmentKey(k []byte) (collection uint32, s segment, ok bool) {
	if len(k) < 11 {
		return 0, segment{}, false
	}
	return binary.BigEndian.Uint32(k[1:]), segment{binary.BigEndian.Uint32(k[5:]), binary.BigEndian.Uint16(k[9:])}, true
}

func parseBlockKey(k []byte) (s segment, feed uint32, seq uint64, ok bool) {
	if len(k) != 23 {
		return segment{}, 0, 0, false
	}
	_, s, _ = parseSegmentKey(k)
	return s, binary.BigEndian.Uint32(k[11:]), binary.BigEndian.Uint64(k[15:]), true
}

func parseDirectoryKey(k []byte) (seq uint64, ok bool) {
	if len(k) != 13 {
		return 0, false
	}
	return binary.BigEndian.Uint64(k[5:]), true
}

const (
	minTime = int64(math.MinInt64)
	maxTime = int64(math.MaxInt64)
)
