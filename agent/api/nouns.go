package api

import "github.com/skerry-edge/skerry/sensors"

// The nouns of package sensors that the API's types are made of, for callers that know only the door.
type (
	Row          = sensors.Row
	Reading      = sensors.Reading
	Series       = sensors.Series
	Tag          = sensors.Tag
	Type         = sensors.Type
	Precision    = sensors.Precision
	SourceStatus = sensors.SourceStatus
	Sample       = sensors.Sample
	Reason       = sensors.Reason
)

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
