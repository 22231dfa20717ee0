package apitest

import (
	"testing"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

func TestMemory_contract(t *testing.T) {
	Run(t, func(*testing.T) Subject {
		m := NewMemory(api.ID{Name: "gate", Peer: "12D3KooWGate", Fingerprint: "ab cd"})
		m.Configure("climate", sensors.Milliseconds)
		m.Configure("empty", sensors.Milliseconds)
		return Subject{Backend: m, Collection: "climate", Empty: "empty", Table: sensors.NewTable(), Add: m.Add, Source: "weather", Tally: m.Source("weather")}
	})
}
