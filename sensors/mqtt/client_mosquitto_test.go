package mqtt

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/skerry-edge/skerry/sensors/mqtt/mosquittotest"
)

var deepQueues = []string{"max_queued_messages 0", "max_inflight_messages 0"}

func TestClient_acknowledgesOnlyWhatIsDurable(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{Lines: deepQueues})
	config := clientTestConfig(b.URL())
	const n = 200

	held := newClientSink(t)
	held.hold()
	client, log := newTestClient(t, config, held, nil)
	client.drain = time.Millisecond
	first := runClient(t, client, log)
	first.waitConnected(t)
	publish(t, newPublisher(t, b.URL(), nil), 1, 0, n)
	clientEventually(t, "the sink has all", func() bool { return held.waiting() == n })
	first.stop(t) // as if killed: nothing was durable

	sink := newClientSink(t)
	second := startClient(t, config, sink, nil)
	clientEventually(t, "all came again", func() bool { return sink.count() == n })
	second.stop(t) // waits for the acknowledgements
	sink.requireAll(t, n)

	third := newClientSink(t)
	run := startClient(t, config, third, nil)
	run.waitConnected(t)
	publish(t, newPublisher(t, b.URL(), nil), 1, n, n+1)
	clientEventually(t, "the new one came", func() bool { return third.count() > 0 })
	if third.count() != 1 || run.client.Status().Offered != 1 {
		t.Errorf("messages that were acknowledged came again: %d stored, status %+v", third.count(), run.client.Status())
	}
}

func TestClient_losesNothingOverBrokerRestarts(t *testing.T) {
	for _, how := range []string{"stop", "kill"} {
		t.Run(how, func(t *testing.T) {
			b := startMosquitto(t, mosquittotest.Config{Persistence: true, Lines: []string{"max_queued_messages 0", "max_inflight_messages 20"}})
			sink := newClientSink(t)
			run := startClient(t, clientTestConfig(b.URL()), sink, nil)
			run.waitConnected(t)
			p := newPublisher(t, b.URL(), nil)
			const n, rounds = 600, 3
			for round := range rounds {
				from, to := round*n, (round+1)*n
				if how == "stop" {
					publishOver(t, p, from, to, func() { restart(t, b, b.Stop) })
					continue
				}
				// A killed mosquitto forgets what it acknowledged since its last save: what a gateway can promise
				// is about what the broker still has. So: saved with everything unacknowledged, then killed.
				sink.hold()
				publish(t, p, 1, from, to)
				clientEventually(t, "some are in flight", func() bool { return sink.waiting() >= 20 })
				waitSaved(t, b)
				sink.release()
				clientEventually(t, "some are stored", func() bool { return sink.count() >= from+20 })
				restart(t, b, b.Kill)
			}
			clientEventually(t, "all are stored", func() bool { return sink.count() == rounds*n })
			sink.requireAll(t, rounds*n)
			s := run.client.Status()
			t.Logf("%d stored twice, %d repeats suppressed", sink.doubles(), s.Repeats)
			if s.Offered != s.Decoded+s.Repeats {
				t.Errorf("offered %d, decoded %d + repeats %d", s.Offered, s.Decoded, s.Repeats)
			}
			if how == "stop" && sink.doubles() > 0 {
				t.Errorf("%d messages were stored twice over a clean restart", sink.doubles())
			}
		})
	}
}

// publishOver publishes while something happens to the broker; the publisher sends again what was not acknowledged.
func publishOver(t *testing.T, p paho.Client, from, to int, happen func()) {
	t.Helper()
	middle := (from + to) / 2
	publish(t, p, 1, from, middle)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := middle; i < to; i++ {
			// The token of a message under way when the connection breaks has an error although paho keeps
			// the message and sends it again: that all arrive is checked at the other end.
			p.Publish("site/s", 1, false, strconv.Itoa(i)).WaitTimeout(clientTestPatience)
		}
	}()
	happen()
	<-done
}

func restart(t *testing.T, b *mosquittotest.Broker, end func() error) {
	t.Helper()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waitSaved returns when mosquitto has written what it holds.
func waitSaved(t *testing.T, b *mosquittotest.Broker) {
	t.Helper()
	before, err := b.Saved()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	clientEventually(t, "mosquitto has saved", func() bool {
		after, err := b.Saved()
		return err == nil && after != before
	})
}

func TestClient_logsIn(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{Users: map[string]string{"gateway": "correct horse"}})
	config := clientTestConfig(b.URL())
	config.Username = "gateway"
	config.PasswordFile = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(config.PasswordFile, []byte("wrong secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sink := newClientSink(t)
	run := startClient(t, config, sink, nil)
	clientEventually(t, "the login is refused", func() bool {
		state, text := run.state()
		return state == "retrying" && strings.HasSuffix(text, "not authorized")
	})
	if hint := run.client.Status().Hint; !strings.Contains(hint, "password_file") {
		t.Errorf("hint %q does not name password_file", hint)
	}
	if err := os.WriteFile(config.PasswordFile, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run.waitConnected(t) // the file is read again at each attempt
	p := newPublisher(t, b.URL(), func(o *paho.ClientOptions) { o.SetUsername("gateway").SetPassword("correct horse") })
	publish(t, p, 1, 0, 10)
	clientEventually(t, "all are stored", func() bool { return sink.count() == 10 })
	if log := run.log.String(); strings.Contains(log, "horse") || strings.Contains(log, "secret") {
		t.Errorf("the log tells a password:\n%s", log)
	}
}

func TestClient_waitsForABrokerThatIsNotThere(t *testing.T) {
	b := requireMosquitto(t, mosquittotest.Config{})
	sink := newClientSink(t)
	run := startClient(t, clientTestConfig(b.URL()), sink, nil)
	want := "connect " + b.URL() + ": connection refused"
	clientEventually(t, "the status says why", func() bool {
		state, text := run.state()
		return state == "retrying" && text == want
	})
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	run.waitConnected(t)
	publish(t, newPublisher(t, b.URL(), nil), 1, 0, 5)
	clientEventually(t, "all are stored", func() bool { return sink.count() == 5 })
}

func TestClient_storageFailureBringsMessagesAgain(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{Lines: deepQueues})
	sink := newClientSink(t)
	sink.fail(errors.New("no space left on device"))
	run := startClient(t, clientTestConfig(b.URL()), sink, nil)
	run.waitConnected(t)
	publish(t, newPublisher(t, b.URL(), nil), 1, 0, 300)
	clientEventually(t, "the status says why", func() bool {
		state, text := run.state()
		return state == "retrying" && text == "store messages: no space left on device"
	})
	if n := sink.count(); n != 0 {
		t.Fatalf("%d stored by a store that fails", n)
	}
	sink.fail(nil)
	clientEventually(t, "all are stored", func() bool { return sink.count() == 300 })
	run.waitConnected(t)
	if d := sink.doubles(); d > 0 {
		t.Errorf("%d stored twice", d)
	}
}

func TestClient_boundsMessagesInFlight(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{Lines: deepQueues})
	config := clientTestConfig(b.URL())
	config.MaxInflight = 7
	config.KeepAlive = time.Second // mosquitto ends a connection that is silent for 1.5 s
	sink := newClientSink(t)
	sink.hold()
	run := startClient(t, config, sink, nil)
	run.waitConnected(t)
	const n = 3000
	publish(t, newPublisher(t, b.URL(), nil), 1, 0, n)
	clientEventually(t, "the window is full", func() bool { return sink.waiting() == config.MaxInflight })

	since := run.client.Status().Since
	stays := time.NewTimer(3 * time.Second) // more than the keep-alives of both sides
	defer stays.Stop()
	<-stays.C
	if s := run.client.Status(); s.State != "connected" || s.Since != since {
		t.Errorf("a full line ended the connection: %+v", s)
	}
	sink.release()
	clientEventually(t, "all are stored", func() bool { return sink.count() == n })
	if sink.most != config.MaxInflight {
		t.Errorf("%d messages were in flight, want %d", sink.most, config.MaxInflight)
	}
	if r := run.client.Status().Repeats; r != 0 {
		t.Errorf("%d messages came again", r)
	}
}

func TestClient_takesEveryQualityOfService(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{Lines: deepQueues})
	for qos := range 3 {
		config := clientTestConfig(b.URL())
		config.QoS, config.ClientID = qos, "qos"+string(rune('0'+qos))
		sink := newClientSink(t)
		run := startClient(t, config, sink, nil)
		run.waitConnected(t)
		publish(t, newPublisher(t, b.URL(), nil), 2, 0, 100)
		clientEventually(t, "all are stored", func() bool { return sink.count() == 100 })
		if sink.doubles() > 0 || (sink.offered == 100) != (qos == 0) || (len(sink.origins) == 100) != (qos > 0) {
			t.Errorf("qos %d: %d doubles, %d offered, %d origins", qos, sink.doubles(), sink.offered, len(sink.origins))
		}
		run.stop(t)
	}
}

func TestClient_takesRetainedMessages(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{})
	p := newPublisher(t, b.URL(), nil)
	if token := p.Publish("site/a", 1, true, "42"); !token.WaitTimeout(clientTestPatience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	sink := newClientSink(t)
	startClient(t, clientTestConfig(b.URL()), sink, nil)
	clientEventually(t, "it is stored", func() bool { return sink.stored42() == 1 })
}

func (s *clientSink) stored42() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[42]
}

func TestClient_countsWhatItCannotDecode(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{})
	sink := newClientSink(t)
	run := startClient(t, clientTestConfig(b.URL()), sink, nil)
	run.waitConnected(t)
	p := newPublisher(t, b.URL(), nil)
	big := strings.Repeat("x", clientMaxPacket+5)
	for _, payload := range []string{"hello", big, "nothing", "7"} {
		if token := p.Publish("site/a", 1, false, payload); !token.WaitTimeout(clientTestPatience) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	clientEventually(t, "the good one is stored", func() bool { return sink.count() == 1 })
	clientEventually(t, "all are counted", func() bool { return run.client.Status().Offered == 4 })
	s := run.client.Status()
	if s.Rejected["syntax"] != 1 || s.Rejected["too_long"] != 1 || s.Decoded != 2 || s.Readings != 1 {
		t.Errorf("status %+v", s)
	}
	if want := uint64(5 + clientMaxPacket + 5 + 7 + 1); s.Bytes < want || s.Bytes > want+20 {
		t.Errorf("%d bytes, want about %d", s.Bytes, want)
	}
	run.stop(t)
	again := startClient(t, clientTestConfig(b.URL()), sink, nil)
	again.waitConnected(t)
	publish(t, p, 1, 8, 9)
	clientEventually(t, "the next is stored", func() bool { return sink.count() == 2 })
	if offered := again.client.Status().Offered; offered != 1 {
		t.Errorf("%d messages, want only the new one: the others were acknowledged", offered)
	}
}

func TestClient_leavesInOrder(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{Lines: deepQueues})
	sink := newClientSink(t)
	sink.hold()
	run := startClient(t, clientTestConfig(b.URL()), sink, nil)
	run.waitConnected(t)
	publish(t, newPublisher(t, b.URL(), nil), 1, 0, 50)
	clientEventually(t, "all are in flight", func() bool { return sink.waiting() == 50 })
	run.cancel()
	sink.release() // the commit comes after the end was asked for
	run.stop(t)
	clientEventually(t, "mosquitto saw a goodbye", func() bool {
		return strings.Contains(b.Log(), "Received DISCONNECT from skerry-test-meters")
	})
	again := newClientSink(t)
	next := startClient(t, clientTestConfig(b.URL()), again, nil)
	next.waitConnected(t)
	publish(t, newPublisher(t, b.URL(), nil), 1, 50, 51)
	clientEventually(t, "the new one is stored", func() bool { return again.count() == 1 })
	if offered := next.client.Status().Offered; offered != 1 {
		t.Errorf("%d messages came, want 1: what was durable had been acknowledged", offered)
	}
}

func TestClient_noticesASilentBroker(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{})
	config := clientTestConfig(b.URL())
	config.KeepAlive = time.Second
	run := startClient(t, config, newClientSink(t), nil)
	run.waitConnected(t)
	if err := b.Pause(); err != nil {
		t.Fatal(err)
	}
	clientEventually(t, "the silence is noticed", func() bool {
		state, text := run.state()
		return state == "retrying" && strings.Contains(text, "silent")
	})
	if err := b.Resume(); err != nil {
		t.Fatal(err)
	}
	run.waitConnected(t)
}
