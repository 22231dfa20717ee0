package api

import (
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// These are the nouns of packages sensors and crdt that the API's types are made of, for callers that know only
// the door.

// Row is sensors.Row.
type Row = sensors.Row

// Reading is sensors.Reading.
type Reading = sensors.Reading

// Series is sensors.Series.
type Series = sensors.Series

// Bucket is sensors.Bucket.
type Bucket = sensors.Bucket

// Value is sensors.Value.
type Value = sensors.Value

// Type is sensors.Type.
type Type = sensors.Type

// Aggregate is sensors.Aggregate.
type Aggregate = sensors.Aggregate

// Tag is sensors.Tag.
type Tag = sensors.Tag

// Block is crdt.Block.
type Block = crdt.Block

// Precision is sensors.Precision.
type Precision = sensors.Precision

// SourceStatus is sensors.SourceStatus.
type SourceStatus = sensors.SourceStatus

// Sample is sensors.Sample.
type Sample = sensors.Sample

// Reason is sensors.Reason.
type Reason = sensors.Reason

// The value types, aggregates and precisions.
const (
	Float        = sensors.Float
	Int          = sensors.Int
	Bool         = sensors.Bool
	String       = sensors.String
	AggCount     = sensors.AggCount
	AggMean      = sensors.AggMean
	AggMin       = sensors.AggMin
	AggMax       = sensors.AggMax
	AggLast      = sensors.AggLast
	Milliseconds = sensors.Milliseconds
	Microseconds = sensors.Microseconds
	Nanoseconds  = sensors.Nanoseconds
)

// CheckName reports why name cannot name a collection or series: see sensors.CheckName.
func CheckName(name string) error { return sensors.CheckName(name) }

// MatchGlob reports whether name matches the glob, in which * stands for any characters.
func MatchGlob(glob, name string) bool { return sensors.MatchGlob(glob, name) }

// Aggregates returns all aggregates.
func Aggregates() []Aggregate { return sensors.Aggregates() }

// ParseAggregates reads names with commas between them.
func ParseAggregates(text string) ([]Aggregate, error) { return sensors.ParseAggregates(text) }

// BucketStart returns the first moment of the bucket that ns falls into.
func BucketStart(ns int64, every time.Duration) int64 { return sensors.BucketStart(ns, every) }

// ValueOf returns the value of a reading.
func ValueOf(r *Reading) Value { return sensors.ValueOf(r) }

// NewTable returns a table in which series become canonical: see sensors.Table.
func NewTable() *sensors.Table { return sensors.NewTable() }
