package mqtt

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

func TestClient_explainsFailedConnects(t *testing.T) {
	c, _ := newTestClient(t, clientTestConfig("tcp://broker:1883"), nil, nil)
	for _, tt := range []struct {
		err        error
		what, hint string
	}{
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "broker", IsNotFound: true}}, `host "broker" not found`, "name server"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "connection refused", "running"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, "no route to the host", "network"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "no answer within 10s", "firewall"},
		{fmt.Errorf("x: %w", io.EOF), "the other side closed the connection during the handshake", "TLS"},
		{packets.ErrorRefusedIDRejected, "client id rejected", `"skerry-test-meters"`},
		{&net.OpError{Op: "dial", Err: fmt.Errorf("something else")}, "something else", ""},
	} {
		got := c.connectFault(tt.err)
		if got.Error() != "connect tcp://broker:1883: "+tt.what || !strings.Contains(got.hint, tt.hint) {
			t.Errorf("%v: %q, hint %q", tt.err, got, got.hint)
		}
	}
}

func TestClient_suspectsATwin(t *testing.T) {
	c, _ := newTestClient(t, clientTestConfig("tcp://broker:1883"), nil, nil)
	if hint := c.lostFault(io.EOF, 1).hint; hint != "" {
		t.Errorf("hint %q after one short connection", hint)
	}
	if hint := c.lostFault(io.EOF, 2).hint; !strings.Contains(hint, "another client") {
		t.Errorf("hint %q after three short connections", hint)
	}
}

func TestClient_endsDuringAHandshakeThatNobodyAnswers(t *testing.T) {
	s := newClientScript(t)
	run := startClient(t, clientTestConfig(s.url()), newClientSink(t), nil)
	conn, err := s.l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := packets.ReadPacket(conn); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	run.stop(t)
	if d := time.Since(began); d > clientConnectTimeout/2 {
		t.Errorf("took %s", d)
	}
}

func TestClientWindow_boundsBytes(t *testing.T) {
	w := newClientWindow(10)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if !w.acquire(t.Context(), clientWindowBytes*2) {
		t.Fatal("one message must always fit")
	}
	if w.acquire(ended, 1) {
		t.Error("a byte more was taken")
	}
	w.release(clientWindowBytes * 2)
	for range 10 {
		if !w.acquire(ended, 1) {
			t.Fatal("no room although all was released")
		}
	}
	if w.acquire(ended, 1) {
		t.Error("an eleventh message was taken")
	}
}

func TestClientRetry_growsToItsCap(t *testing.T) {
	r := clientRetry{first: clientRetryFirst, most: clientRetryMost}
	for failures, most := range map[int]time.Duration{1: clientRetryFirst, 2: 2 * clientRetryFirst, 7: clientRetryMost, 1 << 30: clientRetryMost} {
		for range 100 {
			if d := r.next(failures); d > most || d < most/2 {
				t.Fatalf("%d failures: %s, want %s to %s", failures, d, most/2, most)
			}
		}
	}
}
