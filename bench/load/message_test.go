package load

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestMessage_isJSONOfSixtyBytes(t *testing.T) {
	m := NewMessage(3)
	last := int64(0)
	changed := map[float64]bool{}
	for range 10_000 {
		text := m.Next()
		var got struct {
			TS          int64
			Temperature float64
			DewPointC   float64 `json:"dew_point_c"`
		}
		if err := json.Unmarshal(text, &got); err != nil || len(text) != 60 {
			t.Fatalf("%d bytes: %s: %v", len(text), text, err)
		}
		if got.TS <= last || got.Temperature < 10 || got.Temperature > 99.99 || got.DewPointC < 10 || got.DewPointC > 99.99 {
			t.Fatalf("%s after time %d", text, last)
		}
		last = got.TS
		changed[got.Temperature] = true
	}
	if len(changed) < 100 {
		t.Errorf("only %d different values", len(changed))
	}
}

func TestDevice_isJSON(t *testing.T) {
	d := newDevice(1)
	var got map[string]float64
	text := d.next(time.UnixMilli(1_753_000_000_000))
	if err := json.Unmarshal(text, &got); err != nil || len(got) != Fields+1 {
		t.Fatalf("%s: %v", text, err)
	}
	if strings.Count(string(text), ".") != Fields {
		t.Errorf("%s has not %d decimals", text, Fields)
	}
}
