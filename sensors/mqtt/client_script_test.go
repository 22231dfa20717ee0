package mqtt

import (
	"bufio"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

// clientScript is a broker that does what a test says, packet by packet, over real TCP.
type clientScript struct {
	t *testing.T
	l net.Listener
}

type clientScriptConn struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func newClientScript(t *testing.T) *clientScript {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &clientScript{t: t, l: l}
}

func (s *clientScript) url() string { return "tcp://" + s.l.Addr().String() }

// accept takes the client's next connection and answers CONNECT; and SUBSCRIBE, if one is expected.
func (s *clientScript) accept(present, subscribes bool) *clientScriptConn {
	s.t.Helper()
	conn, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(clientTestPatience)); err != nil {
		s.t.Fatal(err)
	}
	c := &clientScriptConn{t: s.t, conn: conn, r: bufio.NewReader(conn)}
	connect, ok := c.read().(*packets.ConnectPacket)
	if !ok || connect.CleanSession || connect.ProtocolVersion != 4 {
		s.t.Fatalf("first packet %v: want a CONNECT that keeps the session", connect)
	}
	c.send(&packets.ConnackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Connack}, SessionPresent: present})
	if subscribes {
		sub, ok := c.read().(*packets.SubscribePacket)
		if !ok {
			s.t.Fatalf("want a SUBSCRIBE")
		}
		c.send(&packets.SubackPacket{
			FixedHeader: packets.FixedHeader{MessageType: packets.Suback}, MessageID: sub.MessageID, ReturnCodes: sub.Qoss,
		})
	}
	return c
}

func (c *clientScriptConn) close() {
	c.t.Helper()
	if err := c.conn.Close(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *clientScriptConn) read() packets.ControlPacket {
	c.t.Helper()
	p, err := packets.ReadPacket(c.r)
	if err != nil {
		c.t.Fatalf("read from client: %v", err)
	}
	return p
}

func (c *clientScriptConn) send(p packets.ControlPacket) {
	c.t.Helper()
	if err := p.Write(c.conn); err != nil {
		c.t.Fatalf("write to client: %v", err)
	}
}

func (c *clientScriptConn) publish(id uint16, dup bool, payload string) {
	c.t.Helper()
	c.send(&packets.PublishPacket{
		FixedHeader: packets.FixedHeader{MessageType: packets.Publish, Qos: 1, Dup: dup},
		TopicName:   "site/a", MessageID: id, Payload: []byte(payload),
	})
}

// acks reads n acknowledgements and returns their packet ids.
func (c *clientScriptConn) acks(n int) []uint16 {
	c.t.Helper()
	var ids []uint16
	for len(ids) < n {
		switch p := c.read().(type) {
		case *packets.PubackPacket:
			ids = append(ids, p.MessageID)
		default:
			c.t.Fatalf("got %v, want an acknowledgement", p)
		}
	}
	return ids
}

func (c *clientScriptConn) wantAcks(ids ...uint16) {
	c.t.Helper()
	if diff := cmp.Diff(ids, c.acks(len(ids))); diff != "" {
		c.t.Fatalf("acknowledgements (-want +got):\n%s", diff)
	}
}

// clientSeen is what a journal remembers.
type clientSeen map[clientSeenKey]bool

type clientSeenKey struct {
	source, client string
	id             uint16
	hash           uint64
}

func (s clientSeen) Journalled(source, client string, id uint16, hash uint64) bool {
	return s[clientSeenKey{source, client, id, hash}]
}

func (s *clientSink) times(value int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[value]
}

func TestClient_suppressesRepeats(t *testing.T) {
	s := newClientScript(t)
	sink := newClientSink(t)
	run := startClient(t, clientTestConfig(s.url()), sink, nil)
	a := s.accept(false, true)
	a.publish(1, false, "10")
	a.publish(2, true, "20") // DUP on a first delivery
	a.publish(3, false, "30")
	a.wantAcks(1, 2, 3)
	a.close()

	b := s.accept(true, false)
	b.publish(1, true, "10")  // a repeat
	b.publish(2, true, "21")  // DUP, but another message under a reused id
	b.publish(3, false, "30") // not DUP: a new message that looks the same
	b.publish(2, true, "21")  // a repeat of the new one
	b.publish(4, true, "40")  // DUP on a first delivery
	b.wantAcks(1, 2, 3, 2, 4)
	want := map[int64]int{10: 1, 20: 1, 21: 1, 30: 2, 40: 1}
	if diff := cmp.Diff(want, sink.stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	clientEventually(t, "all are counted", func() bool { return run.client.Status().Offered == 8 })
	if st := run.client.Status(); st.Repeats != 2 || st.Decoded != 6 {
		t.Errorf("status %+v", st)
	}
	b.close()

	c := s.accept(false, true) // a new session knows nothing of the old one's ids
	c.publish(4, true, "40")
	c.wantAcks(4)
	if n := sink.times(40); n != 2 {
		t.Errorf("stored %d times, want 2: the session is new", n)
	}
}

func TestClient_repeatWaitsForTheFirstsCommit(t *testing.T) {
	s := newClientScript(t)
	sink := newClientSink(t)
	sink.hold()
	run := startClient(t, clientTestConfig(s.url()), sink, nil)
	a := s.accept(false, true)
	a.publish(1, false, "10")
	a.publish(2, false, "20")
	clientEventually(t, "both wait", func() bool { return sink.waiting() == 2 })
	a.close()

	b := s.accept(true, false)
	b.publish(1, true, "10")
	b.publish(2, true, "20")
	b.publish(3, false, "30")
	clientEventually(t, "the new one waits", func() bool { return sink.waiting() == 3 })
	clientEventually(t, "all are counted", func() bool { return run.client.Status().Offered == 5 })
	b.publish(3, true, "30") // on the same connection, before an answer was due
	clientEventually(t, "that is counted", func() bool { return run.client.Status().Offered == 6 })
	sink.release()
	b.wantAcks(1, 2, 3, 3)
	if diff := cmp.Diff(map[int64]int{10: 1, 20: 1, 30: 1}, sink.stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	b.close()

	// The same with a commit that fails: nothing is acknowledged, and what comes again is stored.
	c := s.accept(true, false)
	sink.hold()
	c.publish(4, false, "40")
	clientEventually(t, "it waits", func() bool { return sink.waiting() == 1 })
	c.close()
	d := s.accept(true, false)
	d.publish(4, true, "40")
	clientEventually(t, "the repeat is counted", func() bool { return run.client.Status().Repeats == 4 })
	sink.fail(errors.New("disk full"))
	sink.release()
	if _, err := packets.ReadPacket(d.r); err == nil {
		t.Fatal("a failed commit was answered")
	}
	sink.fail(nil)
	e := s.accept(true, false)
	e.publish(4, true, "40")
	e.wantAcks(4)
	if n := sink.times(40); n != 1 {
		t.Errorf("stored %d times, want once", n)
	}
}

func TestClient_asksTheJournalAfterARestart(t *testing.T) {
	s := newClientScript(t)
	seen := clientSeen{{"meters", s.url(), 7, clientHash("site/a", []byte("70"))}: true}
	for _, present := range []bool{true, false} {
		sink := newClientSink(t)
		run := startClient(t, clientTestConfig(s.url()), sink, seen)
		a := s.accept(present, true)
		a.publish(7, true, "70")
		a.publish(8, true, "80")
		a.wantAcks(7, 8)
		want := map[int64]int{80: 1}
		if !present {
			want[70] = 1 // a session that began now has no repeats
		}
		if diff := cmp.Diff(want, sink.stored); diff != "" {
			t.Errorf("session present %t: stored (-want +got):\n%s", present, diff)
		}
		// The id is reused, then the new message comes again: the journal's word is out of date.
		a.publish(7, false, "71")
		a.wantAcks(7)
		a.publish(7, true, "70")
		a.wantAcks(7)
		if n := sink.times(70); n != want[70]+1 {
			t.Errorf("session present %t: 70 stored %d times, want %d", present, n, want[70]+1)
		}
		a.close()
		run.stop(t)
	}
}

func TestClient_acknowledgesInTheOrderOfArrival(t *testing.T) {
	s := newClientScript(t)
	sink := newClientSink(t)
	sink.hold()
	run := startClient(t, clientTestConfig(s.url()), sink, nil)
	a := s.accept(false, true)
	a.publish(9, false, "90")
	a.publish(5, false, "not a number") // rejected at once, acknowledged in its turn
	a.publish(7, false, "70")
	clientEventually(t, "both wait", func() bool { return sink.waiting() == 2 && run.client.Status().Offered == 3 })
	sink.release()
	a.wantAcks(9, 5, 7)
}

func TestClient_pingsWhileTheLineIsFull(t *testing.T) {
	s := newClientScript(t)
	config := clientTestConfig(s.url())
	config.MaxInflight, config.KeepAlive = 2, time.Second
	sink := newClientSink(t)
	sink.hold()
	startClient(t, config, sink, nil)
	a := s.accept(false, true)
	for id := range uint16(20) {
		a.publish(id+1, false, strconv.Itoa(int(id)))
	}
	for range 4 { // whose answers nobody reads
		if p, ok := a.read().(*packets.PingreqPacket); !ok {
			t.Fatalf("got %v, want a ping", p)
		}
		a.send(&packets.PingrespPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Pingresp}})
	}
	sink.release()
	for want := uint16(1); want <= 20; {
		switch p := a.read().(type) {
		case *packets.PubackPacket:
			if p.MessageID != want {
				t.Fatalf("acknowledged %d, want %d", p.MessageID, want)
			}
			want++
		case *packets.PingreqPacket:
		default:
			t.Fatalf("got %v", p)
		}
	}
}

func TestClient_subscribesOncePerSession(t *testing.T) {
	s := newClientScript(t)
	run := startClient(t, clientTestConfig(s.url()), newClientSink(t), nil)
	first := s.accept(true, true) // the first time always: topics may have changed
	run.waitConnected(t)
	first.close()
	for _, present := range []bool{true, false, true} {
		c := s.accept(present, !present)
		c.send(&packets.PingrespPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Pingresp}})
		run.waitConnected(t)
		c.close()
	}
}

func TestClient_explainsRefusals(t *testing.T) {
	for _, tt := range []struct {
		code       byte
		text, hint string
	}{
		{packets.ErrRefusedBadUsernameOrPassword, "bad user name or password", "set username"},
		{packets.ErrRefusedNotAuthorised, "not authorized", "set username"},
		{packets.ErrRefusedIDRejected, "client id rejected", "set client_id"},
		{packets.ErrRefusedServerUnavailable, "the broker says that it is unavailable", ""},
		{packets.ErrRefusedBadProtocolVersion, "the broker does not speak MQTT 3.1.1", ""},
	} {
		s := newClientScript(t)
		run := startClient(t, clientTestConfig(s.url()), newClientSink(t), nil)
		conn, err := s.l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := packets.ReadPacket(conn); err != nil {
			t.Fatal(err)
		}
		refusal := packets.ConnackPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Connack}, ReturnCode: tt.code}
		if err := refusal.Write(conn); err != nil {
			t.Fatal(err)
		}
		if err := s.l.Close(); err != nil {
			t.Fatal(err)
		}
		clientEventually(t, "the status says "+tt.text, func() bool {
			st := run.client.Status()
			return st.State == "retrying" && strings.HasSuffix(st.Text, ": "+tt.text) && strings.Contains(st.Hint, tt.hint) ||
				strings.HasSuffix(st.Text, "connection refused") && strings.Contains(run.log.String(), tt.text)
		})
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		run.stop(t)
	}
}

func TestClient_explainsRefusedTopics(t *testing.T) {
	s := newClientScript(t)
	config := clientTestConfig(s.url())
	config.Topics = []string{"site/{sensor}", "secret/#"}
	sink := newClientSink(t)
	run := startClient(t, config, sink, nil)
	answer := func(codes func(*packets.SubscribePacket) []byte) *clientScriptConn {
		c := s.accept(true, false)
		sub, ok := c.read().(*packets.SubscribePacket)
		if !ok {
			t.Fatal("want a SUBSCRIBE")
		}
		c.send(&packets.SubackPacket{
			FixedHeader: packets.FixedHeader{MessageType: packets.Suback}, MessageID: sub.MessageID, ReturnCodes: codes(sub),
		})
		return c
	}
	answer(func(*packets.SubscribePacket) []byte { return []byte{0x80, 0x80} })
	clientEventually(t, "all topics are refused", func() bool {
		state, text := run.state()
		return state == "retrying" && text == "subscribe site/{sensor}, secret/#: refused by the broker"
	})
	c := answer(func(sub *packets.SubscribePacket) []byte {
		codes := []byte{1, 1}
		codes[slices.Index(sub.Topics, "secret/#")] = 0x80
		return codes
	})
	clientEventually(t, "one topic is refused", func() bool {
		state, text := run.state()
		return state == "connected" && text == "subscribe secret/#: refused by the broker"
	})
	c.publish(1, false, "10")
	c.wantAcks(1)
}

func TestClient_rejectsTopicsOfAnEarlierConfiguration(t *testing.T) {
	s := newClientScript(t)
	run := startClient(t, clientTestConfig(s.url()), newClientSink(t), nil)
	a := s.accept(true, true)
	a.send(&packets.PublishPacket{
		FixedHeader: packets.FixedHeader{MessageType: packets.Publish, Qos: 1}, TopicName: "old/topic", MessageID: 3, Payload: []byte("1"),
	})
	a.wantAcks(3)
	if st := run.client.Status(); st.Rejected[sensors.ReasonName] != 1 {
		t.Errorf("status %+v", st)
	}
}

func TestClient_survivesAHostileBroker(t *testing.T) {
	s := newClientScript(t)
	sink := newClientSink(t)
	run := startClient(t, clientTestConfig(s.url()), sink, nil)
	for name, raw := range map[string][]byte{
		"suback with more codes than topics": {0x90, 0x05, 0x00, 0x01, 1, 1, 1},
		"connect":                            {0x10, 0x02, 0, 0},
		"length without end":                 {0x30, 0xff, 0xff, 0xff, 0xff, 0xff},
		"quality of service 3":               {0x36, 0x05, 0, 1, 'a', 0, 1},
		"huge puback":                        {0x40, 0xff, 0xff, 0xff, 0x7f},
		"topic longer than the packet":       {0x32, 0x05, 0xff, 0xff, 'a', 0, 1},
		"reserved type":                      {0x00, 0x00},
	} {
		c := s.accept(false, false)
		if _, ok := c.read().(*packets.SubscribePacket); !ok {
			t.Fatal("want a SUBSCRIBE")
		}
		if _, err := c.conn.Write(raw); err != nil {
			t.Fatal(err)
		}
		if p, err := packets.ReadPacket(c.r); err == nil {
			t.Errorf("%s: answered by %v, want the connection closed", name, p)
		}
		c.close()
	}
	c := s.accept(false, true)
	c.publish(1, false, "10")
	c.wantAcks(1)
	run.waitConnected(t)
}
