// Package api is the door on this machine: HTTP and JSON over a unix socket, server and client.
package api

import (
	"context"
	"iter"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// Backend is what the API shows. The agent implements it, over a running store or over a folder
// opened for reading; Client implements it over the socket. Safe for concurrent use.
type Backend interface {
	// ID says who this gateway is.
	ID(ctx context.Context) (ID, error)
	// Status says how the gateway is.
	Status(ctx context.Context) (Status, error)
	// Collections lists the collections in name order, configured ones without rows included.
	Collections(ctx context.Context) ([]Collection, error)
	// Query streams the rows that q selects. An error ends the stream. A collection that is neither
	// stored nor configured is ErrNoCollection.
	Query(ctx context.Context, q Query) (Rows, error)
	// Buckets streams what the rows that q selects come to, divided as d says: in the order time, series. q.Limit is of buckets. Errors
	// are as in Query, and ErrTooManySeries.
	Buckets(ctx context.Context, q Query, d Division) (Buckets, error)
	// Tail streams the rows that become durable from now on, until ctx ends: those that q's collection, series, tags and author
	// select; nothing else of q counts. A reader that is too slow gets an error as its last element.
	Tail(ctx context.Context, q Query) (Rows, error)
	// Tap streams what a source takes in from now on, and what becomes of it, until ctx ends. A reader that is slow misses
	// inputs, which are counted, and the source never waits. A source that is not there is ErrNoSource.
	Tap(ctx context.Context, source string) (Inputs, error)
	// Blocks streams the blocks of a collection as they are when it is called, each checked and after those that it
	// links to. An error, such as of a damaged block, ends the stream and names feed and seq. ErrNoCollection is as in
	// Query; a configured collection without rows has no blocks.
	Blocks(ctx context.Context, collection string) (Blocks, error)
	// Verify reads and checks every block and says what it found. It calls progress now and then, one call at a time and
	// none after it returned; nil: it does not.
	Verify(ctx context.Context, progress func(Progress)) (Verification, error)
}

// Rows is a stream of rows and the precision that their times have. Seq must be ranged over at most once, and is
// released by ranging over it (or by ctx's end).
type Rows struct {
	Precision sensors.Precision
	Seq       iter.Seq2[sensors.Row, error]
}

// Buckets is a stream of buckets, like Rows. The precision is that of the readings.
type Buckets struct {
	Precision sensors.Precision
	Seq       iter.Seq2[sensors.Bucket, error]
}

// Blocks is a stream of a collection's blocks. Seq must be ranged over at most once, and is released by ranging over it
// (or by ctx's end). A block is the caller's.
type Blocks struct {
	Roots    []cid.Cid // the heads of all feeds, data and meta, ascending by their bytes
	Count    uint64    // of blocks
	Unsealed uint64    // readings that are journalled and in none of them
	Seq      iter.Seq2[*crdt.Block, error]
}

// Progress is how far a verification is.
type Progress struct {
	Blocks uint64 `json:"blocks"` // that were read
	Of     uint64 `json:"of"`     // that there are, about
}

// Query selects rows of one collection; the zero value of a field selects all.
type Query struct {
	Collection string
	From       int64  // nanoseconds since 1970 UTC, inclusive
	To         int64  // exclusive; 0 = no end
	Series     string // glob in which * matches any characters
	Tags       []sensors.Tag
	Author     string // a peer ID, or the name of this gateway
	Limit      int64  // rows; 0 = all
	Newest     bool   // newest first; otherwise oldest first
}

// Division says how rows come together: in buckets side by side from 1970 UTC on, which of whole weeks begin on Mondays.
type Division struct {
	Every      time.Duration       // from a millisecond to a hundred years
	Aggregates []sensors.Aggregate // at least one
}

// ID is the gateway's identity.
type ID struct {
	Name        string `json:"name"`
	Peer        string `json:"peer"`        // the key as a peer ID
	Fingerprint string `json:"fingerprint"` // short, for people to compare
}

// Collection describes a collection as this store holds it, journalled readings included.
type Collection struct {
	Name     string     `json:"name"`
	Kind     string     `json:"kind"`
	Readings uint64     `json:"readings"`
	Blocks   uint64     `json:"blocks"`
	Bytes    uint64     `json:"bytes"` // of blocks
	First    *time.Time `json:"first"` // null without readings
	Last     *time.Time `json:"last"`
	Digest   string     `json:"digest"` // hex of the heads digest
	Complete bool       `json:"complete"`
}

// Verification is what verify found.
type Verification struct {
	OK          bool                 `json:"ok"`
	Collections []VerifiedCollection `json:"collections"`
	Damage      []Damage             `json:"damage"`
	Repaired    []Damage             `json:"repaired"`
}

// VerifiedCollection is the part of one collection that was read and found right.
type VerifiedCollection struct {
	Name     string `json:"name"`
	Digest   string `json:"digest"`
	Complete bool   `json:"complete"`
	Blocks   uint64 `json:"blocks"`
	Readings uint64 `json:"readings"`
}

// Damage is one thing that is not as it should be.
type Damage struct {
	File   string  `json:"file,omitempty"`
	Feed   string  `json:"feed,omitempty"`
	Seq    *uint64 `json:"seq,omitempty"`
	Reason string  `json:"reason"`
}

// Status is how the gateway is. docs/api.md documents it.
type Status struct {
	Name    string    `json:"name"`
	Peer    string    `json:"peer"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Folder  string    `json:"folder"` // the store
	Config  Config    `json:"config"`
	Parts   Parts     `json:"parts"`
	Queues  []Queue   `json:"queues"`
	Disk    Disk      `json:"disk"`
	Clock   Clock     `json:"clock"`
	Memory  Memory    `json:"memory"`
	Health  []Health  `json:"health"`
}

// Config is the configuration that the agent works with.
type Config struct {
	File    string    `json:"file"`
	Read    time.Time `json:"read"`              // when it was read
	Restart []string  `json:"restart,omitempty"` // keys whose change waits for the next start
}

// Doors is where the API listens.
type Doors struct {
	Socket string `json:"socket"`
	URL    string `json:"url,omitempty"` // of the TCP door; absent: it is closed
}

// Parts is what the parts of the agent say of themselves.
type Parts struct {
	Sources []sensors.SourceStatus `json:"sources"`
	API     Doors                  `json:"api"`
	Broker  *Broker                `json:"broker,omitempty"`
	Ingest  Ingest                 `json:"ingest"`
	Store   Store                  `json:"store"`
}

// Broker is the MQTT broker inside.
type Broker struct {
	Listen   string `json:"listen"`
	Clients  int64  `json:"clients"`
	Messages uint64 `json:"messages"` // PUBLISH packets received
	Acked    uint64 `json:"acked"`    // PUBACK and PUBREC sent after fsync
	Passed   uint64 `json:"passed"`   // messages of topics that no source takes

	TLSListen   string            `json:"tls_listen,omitempty"`
	Refused     map[string]uint64 `json:"refused_connections,omitempty"` // by reason
	Denied      map[string]uint64 `json:"denied,omitempty"`              // "publish", "subscribe": what the rules did not allow
	RateWaits   uint64            `json:"rate_waits,omitempty"`          // packets after which a client beyond its rate was not read
	RateDropped uint64            `json:"rate_dropped,omitempty"`        // messages of QoS 0 beyond their client's rate
}

// Ingest is the pipeline. Sums are exact: Decoded = Stored + Filtered + Lost + Refused + what is under way.
type Ingest struct {
	Decoded  uint64 `json:"decoded"`  // readings offered by decoders
	Stored   uint64 `json:"stored"`   // readings journalled
	Filtered uint64 `json:"filtered"` // readings dropped by mapping or dedup
	Lost     uint64 `json:"lost"`     // readings dropped by a full queue
	Refused  uint64 `json:"refused"`  // readings not acknowledged because storage failed; they come again
	Groups   uint64 `json:"groups"`   // group commits: one fsync each
	Unsealed uint64 `json:"unsealed"` // readings journalled and not yet in a block
}

// Store is what is on disk.
type Store struct {
	Format   uint32 `json:"format"`
	Blocks   uint64 `json:"blocks"`
	Readings uint64 `json:"readings"` // in blocks
	Journal  uint64 `json:"journal_bytes"`
}

// Queue is one bounded queue.
type Queue struct {
	Name     string `json:"name"`
	Length   int64  `json:"length"`
	Capacity int64  `json:"capacity"`
	Dropped  uint64 `json:"dropped"`
}

// Disk is the file system that the store is on.
type Disk struct {
	Used uint64 `json:"used"` // bytes of the data folder, as allocated
	Free uint64 `json:"free"` // bytes that this user may still write
}

// Clock is what the gateway knows of the time.
type Clock struct {
	Time    time.Time `json:"time"`
	Quality string    `json:"quality"` // "synced" or "unsynced"
}

// Memory is the process's memory in bytes; zero where the kernel does not say.
type Memory struct {
	Anonymous uint64 `json:"anonymous"` // RssAnon
	Resident  uint64 `json:"resident"`  // VmRSS, mapped files included
}

// Health is one lasting trouble.
type Health struct {
	Code  string    `json:"code"`
	Since time.Time `json:"since"`
	Text  string    `json:"text"`
	Hint  string    `json:"hint,omitempty"`
}
