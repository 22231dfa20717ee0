package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/skerry-edge/skerry/crdt"
)

// What an answer of /v1/blocks says beside its CAR.
const (
	BlocksHeader   = "Skerry-Blocks"   // the number of blocks
	UnsealedHeader = "Skerry-Unsealed" // readings that are journalled and in none of them
)

// errAborted ends an answer in the middle, after its reader was told why.
var errAborted = errors.New("answer was aborted")

// blocks answers with a CAR. What fails after its first byte is told behind a block of no length, which no reader of CARs takes
// for the end, as a problem in JSON; then the connection is cut, so that other clients notice, too.
func (s *Server) blocks(w http.ResponseWriter, r *http.Request) error {
	collection, err := parseCollection(r.URL.Query())
	if err != nil {
		return err
	}
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	blocks, err := s.backend.Blocks(ctx, collection)
	if err != nil {
		return err
	}
	car, err := crdt.AppendCARHeader(nil, blocks.Roots)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/vnd.ipld.car; version=1")
	w.Header().Set(BlocksHeader, strconv.FormatUint(blocks.Count, 10))
	w.Header().Set(UnsealedHeader, strconv.FormatUint(blocks.Unsealed, 10))
	w.WriteHeader(http.StatusOK)
	for b, err := range blocks.Seq {
		if err != nil {
			return s.cutBlocks(w, r, car, err)
		}
		if car = crdt.AppendCARBlock(car, b); len(car) < chunkBytes {
			continue
		}
		boundWrites(w, stallTimeout)
		if _, err := w.Write(car); err != nil {
			return nil // the reader went away: nobody to tell, nothing wrong here
		}
		car = car[:0]
	}
	if err := ctx.Err(); err != nil {
		return s.cutBlocks(w, r, car, err)
	}
	boundWrites(w, stallTimeout)
	_, _ = w.Write(car) // as above
	return nil
}

// cutBlocks ends an answer that began: what is buffered goes out, then why it ends.
func (*Server) cutBlocks(w http.ResponseWriter, r *http.Request, car []byte, cause error) error {
	p, _ := problemOf(r.Context(), cause)
	text, err := json.Marshal(p)
	if err != nil {
		return errors.Join(errAborted, cause, err)
	}
	boundWrites(w, answerTimeout)
	if _, err = w.Write(append(crdt.AppendCARCut(car), text...)); err == nil {
		err = http.NewResponseController(w).Flush()
	}
	if errors.Is(cause, context.Canceled) {
		cause = nil // the reader went away, or the agent stops
	}
	return errors.Join(errAborted, cause, err)
}

// Blocks streams blocks. Each is checked once more: its CID names its bytes.
func (c *Client) Blocks(ctx context.Context, collection string) (Blocks, error) {
	response, err := c.open(ctx, "/v1/blocks", url.Values{"collection": {collection}})
	if err != nil {
		return Blocks{}, err
	}
	fail := func(err error) (Blocks, error) { return Blocks{}, errors.Join(err, response.Body.Close()) }
	var out Blocks
	for header, to := range map[string]*uint64{BlocksHeader: &out.Count, UnsealedHeader: &out.Unsealed} {
		if *to, err = strconv.ParseUint(response.Header.Get(header), 10, 64); err != nil {
			return fail(fmt.Errorf("ask agent: header %s: %w", header, err))
		}
	}
	car, err := crdt.NewCARReader(response.Body)
	if err != nil {
		return fail(fmt.Errorf("ask agent: %w", broken(ctx, err)))
	}
	out.Roots = car.Roots()
	out.Seq = func(yield func(*crdt.Block, error) bool) {
		defer response.Body.Close()
		for {
			b, err := car.Next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.Is(err, crdt.ErrCut):
				yield(nil, readProblem(car.Rest()))
				return
			case err != nil:
				yield(nil, broken(ctx, err))
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
	return out, nil
}

// readProblem reads why a stream ended.
func readProblem(r io.Reader) error {
	var p problem
	if err := json.NewDecoder(io.LimitReader(r, maxLineBytes)).Decode(&p); err != nil || p.Error == "" {
		return ErrBrokenOff
	}
	return p.err()
}

// broken says that a stream ended in the middle: ErrBrokenOff unless ctx ended it, or what came is not what should.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("read stream: %w", ctx.Err())
	}
	for _, ours := range []error{crdt.ErrMalformed, crdt.ErrVersion, crdt.ErrLimit, crdt.ErrCIDMismatch} {
		if errors.Is(err, ours) {
			return fmt.Errorf("read stream: %w", err)
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrBrokenOff
	}
	return fmt.Errorf("%w: %w", ErrBrokenOff, err)
}
