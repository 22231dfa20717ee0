package crdt

import (
	"bytes"
	"fmt"
	"strings"
)

// Opening is what a feed's opening block says of the feed. Its payload is one canonical CBOR array:
//
//	8a            array of 10
//	   role       1 data, 2 meta
//	   name       text: of the collection, 1 to 256 bytes of UTF-8 without control characters
//	   kind       1 events, 2 records, 3 kv
//	   f4 or f5   encrypted: false, true
//	   precision  3, 6 or 9
//	   58 20 …    author: 32 bytes
//	   50 …       incarnation: 16 bytes
//	   50 …       meta: 16 bytes, the id of the meta feed; in a meta feed 40, no bytes
//	   max block
//	   max payload
type Opening struct {
	Role        Role
	Name        string // of the collection
	Kind        Kind
	Encrypted   bool
	Precision   uint8 // digits after the second that times have: 3, 6 or 9
	Author      Author
	Incarnation Incarnation
	Meta        FeedID // the meta feed that a data feed relies on; zero for a meta feed
	MaxBlock    uint32 // bytes: no block of the feed is larger; 1 KiB to 256 KiB
	MaxPayload  uint32 // bytes: no payload of the feed inflates to more; 1 to 4 MiB
}

type wireOpening struct {
	_           struct{} `cbor:",toarray"`
	Role        Role
	Name        string
	Kind        Kind
	Encrypted   bool
	Precision   uint8
	Author      []byte
	Incarnation []byte
	Meta        []byte
	MaxBlock    uint32
	MaxPayload  uint32
}

// Collection returns the id of the collection that the feed belongs to.
func (o *Opening) Collection() CollectionID { return CollectionIDOf(o.Name, o.Kind, o.Encrypted) }

// Opening reads the payload of an opening block. Of any other block, and of one that is not exactly
// what encoding gives, it returns ErrMalformed or ErrLimit. It does not check the signature.
func (b *Block) Opening() (Opening, error) {
	o, err := b.opening()
	if err != nil {
		return Opening{}, fmt.Errorf("read opening of %s: %w", b.Feed, err)
	}
	return o, nil
}

func (b *Block) opening() (Opening, error) {
	if b.Seq != 0 {
		return Opening{}, fmt.Errorf("block %d is no opening block: %w", b.Seq, ErrMalformed)
	}
	c, err := codecs()
	if err != nil {
		return Opening{}, err
	}
	var w wireOpening
	if err := c.block.Unmarshal(b.Payload, &w); err != nil {
		return Opening{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	o := Opening{
		Role: w.Role, Name: w.Name, Kind: w.Kind, Encrypted: w.Encrypted, Precision: w.Precision,
		MaxBlock: w.MaxBlock, MaxPayload: w.MaxPayload,
	}
	if len(w.Author) != len(o.Author) || len(w.Incarnation) != len(o.Incarnation) ||
		len(w.Meta) != 0 && len(w.Meta) != len(o.Meta) {
		return Opening{}, fmt.Errorf("author, incarnation or meta of a wrong length: %w", ErrMalformed)
	}
	copy(o.Author[:], w.Author)
	copy(o.Incarnation[:], w.Incarnation)
	copy(o.Meta[:], w.Meta)
	again, err := o.encode()
	if err != nil {
		return Opening{}, err
	}
	if !bytes.Equal(again, b.Payload) {
		return Opening{}, fmt.Errorf("not in canonical form: %w", ErrMalformed)
	}
	return o, nil
}

// encode checks the opening and returns the payload.
func (o *Opening) encode() ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c, err := codecs()
	if err != nil {
		return nil, err
	}
	w := wireOpening{
		Role: o.Role, Name: o.Name, Kind: o.Kind, Encrypted: o.Encrypted, Precision: o.Precision,
		Author: o.Author[:], Incarnation: o.Incarnation[:], MaxBlock: o.MaxBlock, MaxPayload: o.MaxPayload,
	}
	if !o.Meta.IsZero() {
		w.Meta = o.Meta[:]
	}
	payload, err := c.enc.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encode opening: %w", err)
	}
	return payload, nil
}

// check reports the first rule that the opening breaks.
func (o *Opening) check() error {
	if err := checkText("collection name", o.Name, 1, MaxNameBytes); err != nil {
		return err
	}
	if strings.ContainsFunc(o.Name, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) {
		return fmt.Errorf("collection name has a control character: %w", ErrMalformed)
	}
	switch {
	case o.Kind != Events && o.Kind != Records && o.Kind != KV:
		return fmt.Errorf("unknown kind %d: %w", o.Kind, ErrMalformed)
	case o.Precision != 3 && o.Precision != 6 && o.Precision != 9:
		return fmt.Errorf("precision %d, want 3, 6 or 9: %w", o.Precision, ErrMalformed)
	case o.Author.weak():
		return fmt.Errorf("author %x is nobody or anybody: %w", o.Author[:], ErrMalformed)
	case o.Role == Data && o.Meta.IsZero(), o.Role == Meta && !o.Meta.IsZero(), o.Role != Data && o.Role != Meta:
		return fmt.Errorf("meta feed %s does not fit %s: %w", o.Meta, o.Role, ErrMalformed)
	case o.MaxBlock < MinBlockBytes || o.MaxBlock > MaxBlockBytes:
		return fmt.Errorf("max block %d, want %d to %d: %w", o.MaxBlock, MinBlockBytes, MaxBlockBytes, ErrLimit)
	case o.MaxPayload < 1 || o.MaxPayload > MaxPayloadBytes:
		return fmt.Errorf("max payload %d, want 1 to %d: %w", o.MaxPayload, MaxPayloadBytes, ErrLimit)
	}
	return nil
}
