package mqtt

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

func newClientReader(r io.Reader, cut func(uint64, int)) *clientReader {
	return &clientReader{r: bufio.NewReader(r), topics: 2, onCut: cut}
}

func TestClientReader_passesPacketsUnchanged(t *testing.T) {
	var wire bytes.Buffer
	for _, p := range []packets.ControlPacket{
		&packets.ConnackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Connack}, SessionPresent: true},
		&packets.SubackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Suback}, MessageID: 1, ReturnCodes: []byte{0, 0x80}},
		&packets.PublishPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Publish}, TopicName: "a", Payload: nil},
		&packets.PublishPacket{
			FixedHeader: packets.FixedHeader{MessageType: packets.Publish, Qos: 2, Dup: true, Retain: true},
			TopicName:   "a/b", MessageID: 5, Payload: bytes.Repeat([]byte("x"), clientMaxPacket-7),
		},
		&packets.PingrespPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Pingresp}},
		&packets.PubrelPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Pubrel, Qos: 1}, MessageID: 5},
	} {
		if err := p.Write(&wire); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.Clone(wire.Bytes())
	got, err := io.ReadAll(newClientReader(iotest.HalfReader(&wire), func(n uint64, size int) {
		t.Errorf("PUBLISH %d of %d bytes was cut", n, size)
	}))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want the same %d bytes", len(got), err, len(want))
	}
}

func TestClientReader_cutsWhatIsTooLong(t *testing.T) {
	var wire bytes.Buffer
	publish := func(qos byte, size int) *packets.PublishPacket {
		return &packets.PublishPacket{
			FixedHeader: packets.FixedHeader{MessageType: packets.Publish, Qos: qos},
			TopicName:   "some/topic", MessageID: 77, Payload: bytes.Repeat([]byte("y"), size),
		}
	}
	const big = clientMaxPacket * 3
	for _, p := range []*packets.PublishPacket{publish(1, 3), publish(1, big), publish(0, big), publish(1, 4)} {
		if err := p.Write(&wire); err != nil {
			t.Fatal(err)
		}
	}
	cuts := map[uint64]int{}
	r := newClientReader(&wire, func(n uint64, size int) { cuts[n] = size })
	var lengths []int
	for {
		p, err := packets.ReadPacket(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		pub, ok := p.(*packets.PublishPacket)
		if !ok || pub.TopicName != "some/topic" || pub.Qos == 1 && pub.MessageID != 77 {
			t.Fatalf("got %v", p)
		}
		lengths = append(lengths, len(pub.Payload))
	}
	if diff := cmp.Diff([]int{3, sensors.SampleBytes, sensors.SampleBytes, 4}, lengths); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[uint64]int{1: big + 14, 2: big + 12}, cuts); diff != "" {
		t.Errorf("cuts (-want +got):\n%s", diff)
	}
}

func TestClientReader_allocatesNothingForALengthAlone(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		r := newClientReader(bytes.NewReader([]byte{0x32, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a', 0, 1}), func(uint64, int) {})
		if _, err := packets.ReadPacket(r); err == nil {
			t.Fatal("a packet of 256 MiB without its bytes was read")
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("%d bytes allocated", got)
	}
}

func FuzzClientReader(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0, 0x32, 7, 0, 1, 'a', 0, 1, 'x', 'y', 0xd0, 0})
	f.Add([]byte{0x90, 4, 0, 1, 1, 1, 0x62, 2, 0, 1})
	f.Add([]byte{0x32, 0x80, 0x80, 0x80, 0x01, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := newClientReader(bytes.NewReader(wire), func(uint64, int) {})
		for {
			p, err := packets.ReadPacket(r)
			if err != nil {
				return
			}
			if s, ok := p.(*packets.SubackPacket); ok && len(s.ReturnCodes) > r.topics {
				t.Fatalf("%d return codes", len(s.ReturnCodes))
			}
			if m, ok := p.(*packets.PublishPacket); ok && len(m.Payload) > clientMaxPacket {
				t.Fatalf("payload of %d bytes", len(m.Payload))
			}
		}
	})
}
