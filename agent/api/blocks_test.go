package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/api/apitest"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// newLedger returns a backend whose collection climate has 3 + 2 blocks.
func newLedger(t *testing.T) *apitest.Memory {
	t.Helper()
	m := newMemory()
	for range 4 {
		if err := m.Add(t.Context(), "climate", []sensors.Reading{row(t, "x").Reading}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// drain reads all blocks.
func drain(t *testing.T, b api.Backend) (count int, last error) {
	t.Helper()
	blocks, err := b.Blocks(t.Context(), "climate")
	if err != nil {
		return 0, err
	}
	for _, err := range blocks.Seq {
		if err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

func TestBlocks_damage(t *testing.T) {
	m := newLedger(t)
	socket, _ := serve(t, m, api.Options{})
	client := dial(t, socket)
	if count, err := drain(t, client); count != 5 || err != nil {
		t.Fatalf("got %d blocks, %v, want 5", count, err)
	}
	for _, want := range []error{errors.New("block 7 of feed 0a0b: cid mismatch"), api.ErrStopping} {
		m.CutBlocks(want)
		count, err := drain(t, client)
		if count != 1 || err == nil || err.Error() != want.Error() || errors.Is(err, api.ErrStopping) != errors.Is(want, api.ErrStopping) {
			t.Errorf("got %d blocks and %v, want 1 and %v", count, err, want)
		}
		// Whoever does not know the end of a cut stream sees that the answer was cut, and no CAR.
		response := open(t, socket, "http://skerry/v1/blocks?collection=climate") //nolint:bodyclose // open closes it when the test ends
		body, err := io.ReadAll(response.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(string(body), want.Error()) {
			t.Errorf("read bare: %v after %d bytes, want io.ErrUnexpectedEOF", err, len(body))
		}
	}
	m.CutBlocks(nil)
	if count, err := drain(t, client); count != 5 || err != nil {
		t.Errorf("afterwards: got %d blocks, %v, want 5", count, err)
	}
}

func TestBlocks_areBounded(t *testing.T) {
	socket, _ := serve(t, newLedger(t), api.Options{})
	client := dial(t, socket)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range api.MaxStreams {
		if _, err := client.Tail(ctx, api.Query{Collection: "climate"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := drain(t, client); !errors.Is(err, api.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
}

// TestClient_blocksOfAStranger: what is no CAR of ours ends with an error, never as if it were whole.
func TestClient_blocksOfAStranger(t *testing.T) {
	m := newLedger(t)
	whole, err := m.Blocks(t.Context(), "climate")
	if err != nil {
		t.Fatal(err)
	}
	car, err := crdt.AppendCARHeader(nil, whole.Roots)
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range whole.Seq {
		if err != nil {
			t.Fatal(err)
		}
		car = crdt.AppendCARBlock(car, b)
	}
	for name, test := range map[string]struct {
		body  string
		end   string
		count int
		want  error
	}{
		"whole":             {string(car), "0\r\n\r\n", 5, nil},
		"broken off":        {string(car), "", 5, api.ErrBrokenOff},
		"in a block":        {string(car[:len(car)-5]), "0\r\n\r\n", 4, api.ErrBrokenOff},
		"damaged":           {string(car[:len(car)-1]) + "\x00", "0\r\n\r\n", 4, crdt.ErrCIDMismatch},
		"no CAR":            {"hello, world", "0\r\n\r\n", 0, api.ErrBrokenOff},
		"nothing":           {"", "0\r\n\r\n", 0, api.ErrBrokenOff},
		"cut, not said why": {string(car) + "\x00", "0\r\n\r\n", 5, api.ErrBrokenOff},
		"cut, unreadable":   {string(car) + "\x00{}", "0\r\n\r\n", 5, api.ErrBrokenOff},
	} {
		body := test.end
		if test.body != "" {
			body = fmt.Sprintf("%x\r\n%s\r\n%s", len(test.body), test.body, test.end)
		}
		head := "HTTP/1.1 200 OK\r\nSkerry-Blocks: 5\r\nSkerry-Unsealed: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
		socket := answerOnce(t, head+body)
		if count, err := drain(t, dial(t, socket)); count != test.count || !errors.Is(err, test.want) {
			t.Errorf("%s: got %d blocks, %v, want %d, %v", name, count, err, test.count, test.want)
		}
	}
}

// answerOnce answers one request with the text and returns the socket.
func answerOnce(t *testing.T, answer string) string {
	t.Helper()
	socket := socketPath(t)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			served <- err
			return
		}
		_, err = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, answer) // the client may go away
		served <- errors.Join(err, conn.Close(), listener.Close())
	}()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return socket
}

func TestVerify_progress(t *testing.T) {
	socket, _ := serve(t, newLedger(t), api.Options{})
	var told []api.Progress
	v, err := dial(t, socket).Verify(t.Context(), func(p api.Progress) { told = append(told, p) })
	if err != nil || !v.OK || len(told) != 1 || told[0] != (api.Progress{Blocks: 1, Of: 2}) { // the second comes too soon
		t.Errorf("got %+v, %v after %v", v, err, told)
	}
	for answer, want := range map[string]error{
		"":                          api.ErrBrokenOff,
		"{\"blocks\":1,\"of\":2}\n": api.ErrBrokenOff,
		"{\"ok\":true":              api.ErrBrokenOff,
		"{\"error\":\"agent is stopping\",\"code\":\"stopping\"}\n": api.ErrStopping,
	} {
		socket := answerOnce(t, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+answer)
		if _, err := dial(t, socket).Verify(t.Context(), func(api.Progress) {}); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", answer, err, want)
		}
	}
}
