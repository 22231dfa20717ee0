package api

import (
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

// The value types and precisions.
const (
	Float        = sensors.Float
	Int          = sensors.Int
	Bool         = sensors.Bool
	String       = sensors.String
	Milliseconds = sensors.Milliseconds
	Microseconds = sensors.Microseconds
	Nanoseconds  = sensors.Nanoseconds
)

// CheckName reports why name cannot name a collection or series: see sensors.CheckName.
func CheckName(name string) error { return sensors.CheckName(name) }

// NewTable returns a table in which series become canonical: see sensors.Table.
func NewTable() *sensors.Table { return sensors.NewTable() }
