package crdt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ipfs/go-cid"
)

// A CAR is a file of blocks that tools of IPLD read (Content Addressable aRchive, version 1):
//
//	length   varint: bytes of the header
//	header   a2                          map of 2, dag-cbor
//	            65 "roots"   8n …        links: heads of feeds, by the bytes of their CIDs ascending, each once
//	            67 "version" 01
//	then for each block
//	length   varint: bytes of CID and block together
//	CID      36 bytes
//	block    its bytes
//
// What a block links to stands before it, so a reader can check and take each block as it comes.
//
// On a stream whose writer may fail, a length of 0 ends the blocks: then they are not all there. No reader of CARs takes
// that for the end of a whole one.

// MaxCARRoots bounds the roots of a CAR.
const MaxCARRoots = 16384

// maxCARHeader is what the header of a CAR with that many roots takes at most; a link has 41 bytes.
const maxCARHeader = 32 + MaxCARRoots*41

const (
	carRoots   = "\xa2\x65roots"
	carVersion = "\x67version\x01"
)

// ErrCut ends the blocks of a CAR whose writer says that they are not all there.
var ErrCut = errors.New("the blocks are not all there")

// AppendCARHeader appends the beginning of a CAR. The roots must ascend.
func AppendCARHeader(dst []byte, roots []cid.Cid) ([]byte, error) {
	header, err := carHeader(roots)
	if err != nil {
		return dst, fmt.Errorf("write car: %w", err)
	}
	dst = binary.AppendUvarint(dst, uint64(len(header)))
	return append(dst, header...), nil
}

// carHeader returns the header without its length.
func carHeader(roots []cid.Cid) ([]byte, error) {
	if len(roots) > MaxCARRoots {
		return nil, fmt.Errorf("%d roots, want at most %d: %w", len(roots), MaxCARRoots, ErrLimit)
	}
	header := appendHead([]byte(carRoots), majorArray, uint32(len(roots))) //nolint:gosec // at most MaxCARRoots
	for i, root := range roots {
		if err := checkLink(root); err != nil {
			return nil, fmt.Errorf("root: %w", err)
		}
		if i > 0 && roots[i-1].KeyString() >= root.KeyString() {
			return nil, fmt.Errorf("roots do not ascend: %w", ErrMalformed)
		}
		header = append(append(header, linkHead...), root.KeyString()...)
	}
	return append(header, carVersion...), nil
}

// AppendCARBlock appends a block to a CAR.
func AppendCARBlock(dst []byte, b *Block) []byte {
	dst = binary.AppendUvarint(dst, uint64(cidBytes+len(b.Raw)))
	dst = append(dst, b.CID.KeyString()...)
	return append(dst, b.Raw...)
}

// AppendCARCut appends the end of a CAR whose blocks are not all there.
func AppendCARCut(dst []byte) []byte { return append(dst, 0) }

// CARReader reads a CAR. Not safe for concurrent use.
type CARReader struct {
	in    *bufio.Reader
	roots []cid.Cid
}

// NewCARReader reads the beginning of a CAR. It takes exactly the headers that AppendCARHeader writes, and refuses all
// others with ErrMalformed or ErrLimit.
func NewCARReader(r io.Reader) (*CARReader, error) {
	c := &CARReader{in: bufio.NewReaderSize(r, 64<<10)}
	size, err := c.length(maxCARHeader)
	if err != nil {
		return nil, fmt.Errorf("read car: header: %w", err)
	}
	header := make([]byte, size)
	if _, err := io.ReadFull(c.in, header); err != nil {
		return nil, fmt.Errorf("read car: header: %w", cutShort(err))
	}
	if c.roots, err = parseCARHeader(header); err != nil {
		return nil, fmt.Errorf("read car: %w", err)
	}
	return c, nil
}

// length reads a length of at most limit, in its shortest form.
func (c *CARReader) length(limit int) (int, error) {
	var size uint64
	for shift := 0; shift < 28; shift += 7 {
		digit, err := c.in.ReadByte()
		if err != nil {
			return 0, cutShort(err)
		}
		size |= uint64(digit&0x7f) << shift
		if digit >= 0x80 {
			continue
		}
		if digit == 0 && shift > 0 {
			return 0, fmt.Errorf("length is not in its shortest form: %w", ErrMalformed)
		}
		if size > uint64(limit) { //nolint:gosec // a constant
			break
		}
		return int(size), nil //nolint:gosec // at most limit
	}
	return 0, fmt.Errorf("length is more than %d: %w", limit, ErrLimit)
}

// parseCARHeader is the inverse of carHeader.
func parseCARHeader(header []byte) ([]cid.Cid, error) {
	const item = len(linkHead) + cidBytes
	var roots []cid.Cid
	end := len(header) - len(carVersion)
	for at := len(carRoots) + max(end-len(carRoots), 0)%item; at+item <= end; at += item { // behind the head of the array
		var root link
		if err := root.UnmarshalCBOR(header[at : at+item]); err != nil {
			return nil, fmt.Errorf("roots: %w: %w", err, ErrMalformed)
		}
		roots = append(roots, root.cid)
	}
	again, err := carHeader(roots)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, header) {
		return nil, fmt.Errorf("header is not in canonical form: %w", ErrMalformed)
	}
	return roots, nil
}

// Roots returns the roots, ascending.
func (c *CARReader) Roots() []cid.Cid { return c.roots }

// Next returns the next block, in memory of its own, after checking that it is one of ours and that its CID names its
// bytes; io.EOF after the last. ErrCut: the writer ended early, and Rest says what it wrote then.
// io.ErrUnexpectedEOF: the CAR ends in the middle of a block. Other errors are those of DecodeBlock and CheckCID.
func (c *CARReader) Next() (*Block, error) {
	if _, err := c.in.Peek(1); err != nil {
		return nil, err //nolint:wrapcheck // io.EOF, or what the caller's reader says
	}
	size, err := c.length(cidBytes + MaxBlockBytes)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read car: block: %w", err)
	case size == 0:
		return nil, ErrCut
	case size <= cidBytes:
		return nil, fmt.Errorf("read car: block of %d bytes with its CID: %w", size, ErrMalformed)
	}
	section := make([]byte, size)
	if _, err := io.ReadFull(c.in, section); err != nil {
		return nil, fmt.Errorf("read car: %w", cutShort(err))
	}
	b, err := DecodeBlock(section[cidBytes:])
	if err != nil {
		return nil, fmt.Errorf("read car: %w", err)
	}
	if b.CID.KeyString() != string(section[:cidBytes]) {
		return nil, fmt.Errorf("read car: block %d of feed %s: %w", b.Seq, b.Feed, ErrCIDMismatch)
	}
	return b, nil
}

// Rest returns what follows the last block that Next read.
func (c *CARReader) Rest() io.Reader { return c.in }

// cutShort tells an end in the middle from one at the end.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
