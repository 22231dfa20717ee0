package api_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skerry-edge/skerry/agent/api"
)

// TestServer_strangersStayOutside asks as another user over a socket whose mode lets everybody in.
func TestServer_strangersStayOutside(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become a stranger")
	}
	socket, _ := serve(t, newMemory(), api.Options{})
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(strings.TrimSuffix(socket, "/s"), 0o755); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which alone is the stranger, ends with the goroutine
		const nobody = 65534
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := unix.RawSyscall(call, nobody, nobody, nobody); errno != 0 {
				answers <- answer{err: errno}
				return
			}
		}
		conn, err := net.Dial("unix", socket)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		if err = conn.SetDeadline(time.Now().Add(10 * time.Second)); err == nil {
			_, err = io.WriteString(conn, "GET /v1/query?collection=climate HTTP/1.1\r\nHost: skerry\r\n\r\n")
		}
		var text []byte
		if err == nil {
			text, err = io.ReadAll(bufio.NewReader(conn)) // the server closes
		}
		answers <- answer{string(text), errors.Join(err, conn.Close())}
	}()
	got := <-answers
	if got.err != nil || !strings.HasPrefix(got.text, "HTTP/1.1 403 ") || !strings.Contains(got.text, `"code":"forbidden"`) {
		t.Errorf("a stranger got %q, %v, want 403", got.text, got.err)
	}
	if code, body := get(t, socket, "http://skerry/v1/status"); code != 200 {
		t.Errorf("the agent's user got %d %s", code, body)
	}
}
