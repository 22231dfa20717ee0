package mqtt

import (
	"runtime"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

func TestFilterTakes(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"#", "a/b", true},
		{"+", "a", true},
		{"+", "a/b", false},
		{"+/b", "a/b", true},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/b/d", false},
		{"$share/g/a/+", "a/b", true},
		{"$share/g/a/+", "b/b", false},
		{"a/+", "a/", true},
	} {
		if got := filterTakes(c.filter, c.topic); got != c.want {
			t.Errorf("%s takes %s: %t", c.filter, c.topic, got)
		}
	}
}

// TestBroker_limitsTheBytesOfQoS0: large messages for subscribers that do not read take bounded memory; who reads misses none.
func TestBroker_limitsTheBytesOfQoS0(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	c, listener := f.dial(t, "a", nil), f.dial(t, "l", nil)
	slow := make([]*rawClient, 2)
	for i := range slow {
		slow[i] = f.raw(t, connect4([]string{"slow", "slower"}[i], true))
		slow[i].expect(t, 0x20)
		slow[i].write(t, []byte{0x82, 14, 0, 1, 0, 9, 'e', 'l', 's', 'e', 'w', 'h', 'e', 'r', 'e', 0}) // and reads nothing from now on
		slow[i].expect(t, 0x90)
	}
	subscribe(t, listener, "elsewhere", 0)
	payload := make([]byte, 200<<10)
	const count = 800 // 160 MB, of fewer messages than the server queues
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range count {
		if _, err := c.Publish("elsewhere", payload, 1); err != nil {
			t.Fatal(err)
		}
		receive(t, c.acks, "the ack")
		receive(t, listener.messages, "a message")
	}
	f.broker.ahead.mu.Lock()
	total := f.broker.ahead.total
	f.broker.ahead.mu.Unlock()
	if most := int64(maxAhead + len(slow)*(aheadFree+200<<10)); total < maxAhead/2 || total > most {
		t.Errorf("%d bytes are on their way, want %d to %d", total, maxAhead/2, most)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 3*maxAhead {
		t.Errorf("the memory grew by %d bytes", grown)
	}
	if dropped := f.broker.Status().Dropped; dropped < count || dropped > 2*count {
		t.Errorf("%d messages dropped, want most of %d", dropped, 2*count)
	}
	for _, s := range slow {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for ctx := within(t); ; {
		f.broker.ahead.mu.Lock()
		total, under := f.broker.ahead.total, len(f.broker.ahead.under)
		f.broker.ahead.mu.Unlock()
		if total == 0 && under == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d bytes are on their way to nobody, %d topics", total, under)
		case <-ticker.C:
		}
	}
}
