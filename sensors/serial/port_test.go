package serial

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/pty"
	"github.com/skerry-edge/skerry/sensors/serial/serialtest"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestOpenPort_refusesWhatIsNoPort(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(folder, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		folder: "a folder", file: "a regular file", fifo: "no character device", "/dev/null": "not a serial port",
		filepath.Join(folder, "none"): "is not there",
	} {
		p, err := openPort(path, framing(FramingLine, nil))
		if err == nil {
			t.Errorf("%s was opened", path)
			_ = p.close()
			continue
		}
		if _, text, hint := explain(err, path); !strings.Contains(text, want) || hint == "" {
			t.Errorf("%s: %q (%q), want %q: %v", path, text, hint, want, err)
		}
	}
}

func TestOpenPort_isDenied(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pair.Close() }()
	if err := os.Chmod(pair.Path, 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // root is denied nothing: this thread's file accesses are another user's
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	}
	p, err := openPort(pair.Path, framing(FramingLine, nil))
	if err == nil {
		t.Fatal(errors.Join(errors.New("a port of mode 0 was opened"), p.close()))
	}
	state, text, hint := explain(err, pair.Path)
	if state != stateRetrying || !strings.Contains(text, "permission denied") || !strings.Contains(hint, "usermod -aG dialout") {
		t.Errorf("%v: %s, %q, %q", err, state, text, hint)
	}
}

func TestSource_showsPermissionDeniedAndTriesAgain(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	denied := make(chan struct{})
	s := start(t, on(port, FramingLine, nil), func(s *Source) {
		s.open = func(path string, c Config) (line, error) {
			select {
			case <-denied:
				return openLine(path, c)
			default:
				return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
			}
		}
	})
	st := s.untilState(stateRetrying)
	if !strings.Contains(st.Hint, "dialout") {
		t.Errorf("status %+v", st)
	}
	close(denied)
	port.Write("1\n")
	s.want(1)
}

func TestOpenPort_isExclusive(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	first := start(t, on(port, FramingLine, nil), nil)
	first.untilState(stateConnected)
	second := start(t, on(port, FramingLine, nil), nil)
	st := second.untilState(stateRetrying)
	if !strings.Contains(st.Text, "in use") || !strings.Contains(st.Hint, "fuser") {
		t.Errorf("status %+v", st)
	}
	first.stop()
	port.Write("1\n")
	second.want(1)
}

func TestOpenPort_setsTheLineUp(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pair.Close() }()
	p, err := openPort(pair.Path, framing(FramingLine, func(c *Config) { c.Baud, c.Parity, c.StopBits, c.DataBits = 1200, ParityEven, 2, 7 }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	var modes *unix.Termios
	if err := p.control(func(fd int) error { modes, err = unix.IoctlGetTermios(fd, unix.TCGETS); return err }); err != nil {
		t.Fatal(err)
	}
	// A pseudo-terminal takes the rate and the stop bits; the kernel forces CS8 without parity on it.
	if modes.Cflag&unix.CBAUD != unix.B1200 || modes.Cflag&unix.CSTOPB == 0 || modes.Lflag != 0 {
		t.Errorf("modes %+v", modes)
	}
}

func TestConfig_inTarmsWords(t *testing.T) {
	c := framing(FramingLine, func(c *Config) { c.Parity, c.StopBits, c.DataBits, c.Baud = ParityOdd, 2, 7, 19200 }).tarm("/dev/x")
	if c.Name != "/dev/x" || c.Parity != 'O' || c.StopBits != 2 || c.Size != 7 || c.Baud != 19200 || c.ReadTimeout <= 0 {
		t.Errorf("%+v", c)
	}
}

func TestPort_readTellsSilenceFromUnplug(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPort(pair.Path, framing(FramingLine, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.close() }()
	buf := make([]byte, 16)
	began := time.Now()
	if n, err := p.read(buf, 20*time.Millisecond); n != 0 || !errors.Is(err, errIdle) {
		t.Errorf("silence: %d, %v", n, err)
	}
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("silence was over after %v", took)
	}
	if _, err := p.readNow(buf); !errors.Is(err, errIdle) {
		t.Errorf("nothing there: %v", err)
	}
	if err := pair.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := p.read(buf, deadline); n != 0 || err == nil || errors.Is(err, errIdle) {
		t.Errorf("unplugged: %d, %v", n, err)
	}
	if _, err := p.readNow(buf); err == nil || errors.Is(err, errIdle) {
		t.Errorf("unplugged: %v", err)
	}
}

func TestExplain_namesTheTrouble(t *testing.T) {
	for _, test := range []struct {
		err         error
		state, text string
	}{
		{syscall.EIO, stateWaiting, "gone"},
		{io.EOF, stateWaiting, "gone"},
		{syscall.ENXIO, stateWaiting, "gone"},
		{syscall.EBUSY, stateRetrying, "in use"},
		{&fs.PathError{Op: "open", Path: "/dev/x", Err: syscall.EACCES}, stateRetrying, "permission denied"},
		{&fs.PathError{Op: "open", Path: "/dev/x", Err: syscall.EPERM}, stateRetrying, "permission denied"},
		{&fs.PathError{Op: "lstat", Path: "/dev/x", Err: syscall.ENOENT}, stateWaiting, "not there"},
		{errMoved, stateRetrying, "another device"},
		{errors.New("strange"), stateRetrying, "strange"},
	} {
		state, text, _ := explain(test.err, "/dev/x")
		if state != test.state || !strings.Contains(text, test.text) || !strings.Contains(text, "/dev/x") {
			t.Errorf("%v: %s, %q", test.err, state, text)
		}
	}
}

func TestSparse_letsOneThroughPerPeriod(t *testing.T) {
	var s sparse
	now := time.Unix(1000, 0)
	for _, step := range []struct {
		after   time.Duration
		text    string
		skipped uint64
		allowed bool
	}{
		{0, "a", 0, true},
		{time.Second, "a", 0, false},
		{2 * time.Second, "a", 0, false},
		{logEvery, "a", 2, true},
		{logEvery + 1, "b", 0, true},
	} {
		skipped, allowed := s.allow(now.Add(step.after), step.text)
		if skipped != step.skipped || allowed != step.allowed {
			t.Errorf("%+v: got %d, %v", step, skipped, allowed)
		}
	}
}

func TestPause_endsWhenTheNodeChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "port")
	seen := lookAt(path)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pause(context.Background(), path, seen, time.Hour)
	}()
	if err := os.Symlink("/dev/null", path); err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Error("pause goes on although the node is there")
	}
}

func TestJitter_staysInRange(t *testing.T) {
	for range 1000 {
		if d := jitter(lastDelay); d > lastDelay || d < lastDelay*3/4 {
			t.Fatalf("%v", d)
		}
	}
}

func TestSource_keepsNoStateOfOtherSources(t *testing.T) {
	missing, good := serialtest.New(t), serialtest.New(t)
	good.Plug()
	bad := start(t, on(missing, FramingLine, nil), nil)
	s := start(t, on(good, FramingLine, nil), nil)
	bad.until("waiting", func(st sensors.SourceStatus) bool { return st.Text != "" })
	good.Write("1\n")
	s.want(1)
}
