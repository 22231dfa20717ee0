package columns

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const maxWindow = 4 << 20 // bytes: a frame never needs more than MaxInflated

// deflater makes zstd frames. The encoder is made at the first frame.
type deflater struct {
	enc *zstd.Encoder
	buf []byte
}

// deflate returns a frame of src, valid until the next call.
func (d *deflater) deflate(src []byte) ([]byte, error) {
	if d.enc == nil {
		enc, err := zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(128<<10), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
		if err != nil {
			return nil, fmt.Errorf("make zstd encoder: %w", err)
		}
		d.enc = enc
	}
	d.buf = d.enc.EncodeAll(src, d.buf[:0])
	return d.buf, nil
}

// inflater reads zstd frames. The decoder is made at the first frame.
type inflater struct {
	dec     *zstd.Decoder
	largest int // bytes of the largest content: the library holds on to the one before
}

// inflate fills dst, exactly, from a frame.
func (d *inflater) inflate(dst, frame []byte) error {
	if d.dec == nil {
		dec, err := zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(MaxInflated), zstd.WithDecoderMaxWindow(maxWindow),
			zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return fmt.Errorf("make zstd decoder: %w", err)
		}
		d.dec = dec
	}
	var head zstd.Header
	if err := head.Decode(frame); err != nil {
		return corrupt("a frame has no header: " + err.Error())
	}
	if !head.HasFCS || head.FrameContentSize != uint64(len(dst)) {
		return corrupt("a frame does not have the size it should")
	}
	if frameSize(&head, frame) != len(frame) {
		return corrupt("there is more than one frame, or not all of one")
	}
	d.largest = max(d.largest, len(dst))
	out, err := d.dec.DecodeAll(frame, dst[:0:len(dst)])
	if err != nil {
		return corrupt("a frame cannot be inflated: " + err.Error())
	}
	if len(out) != len(dst) || len(dst) > 0 && &out[0] != &dst[0] {
		return corrupt("a frame does not have the size it should")
	}
	return nil
}

// frameSize returns how many bytes the frame with that header takes, more than there are if it is cut short. The
// library would pass over frames that are empty or to be skipped.
func frameSize(head *zstd.Header, frame []byte) int {
	const blockHead, checksum, rle = 3, 4, 1
	at, last := head.HeaderSize, false
	for !last && at+blockHead <= len(frame) {
		block := uint32(frame[at]) | uint32(frame[at+1])<<8 | uint32(frame[at+2])<<16 // last (1 bit), type (2), size
		last = block&1 == 1
		at += blockHead
		if block>>1&3 == rle {
			at++
		} else {
			at += int(block >> 3)
		}
	}
	if !last {
		return len(frame) + 1
	}
	if head.HasCheckSum {
		at += checksum
	}
	return at
}
