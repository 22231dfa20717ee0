package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors/mqtt/certtest"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// security is a folder with an authority, certificates and users.
type security struct {
	dir    string
	ca     *certtest.Authority
	broker certtest.Pair
	client certtest.Pair // of the common name "meter-1"
	users  string        // ann and bob, whose passwords are "hush" and "husch"
}

func newSecurity(tb testing.TB) *security {
	tb.Helper()
	s := &security{dir: tb.TempDir()}
	var err error
	if s.ca, err = certtest.NewAuthority(s.dir, "ca"); err != nil {
		tb.Fatal(err)
	}
	s.broker = s.issue(tb, certtest.Leaf{Name: "broker", Hosts: []string{"gateway.local", "127.0.0.1"}})
	s.client = s.issue(tb, certtest.Leaf{Name: "meter-1", Hosts: []string{"meter-1.site"}})
	s.users = filepath.Join(s.dir, "users")
	s.writeUsers(tb, quickHash(tb, "ann", "hush"), quickHash(tb, "bob", "husch"))
	return s
}

func (s *security) issue(tb testing.TB, l certtest.Leaf) certtest.Pair {
	tb.Helper()
	pair, err := s.ca.Issue(s.dir, l)
	if err != nil {
		tb.Fatal(err)
	}
	return pair
}

func (s *security) writeUsers(tb testing.TB, lines ...string) {
	tb.Helper()
	if err := os.WriteFile(s.users, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// tls configures a listener for TLS, and for nothing else.
func (s *security) tls(c *BrokerConfig) {
	c.Listen, c.TLSListen, c.CertFile, c.KeyFile = "", "127.0.0.1:0", s.broker.CertFile, s.broker.KeyFile
}

func (s *security) config(tb testing.TB, pair *certtest.Pair) *tls.Config {
	tb.Helper()
	c, err := s.ca.Client("gateway.local", pair)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func as(user, password string) func(*mqtttest.Options) {
	return func(o *mqtttest.Options) { o.Username, o.Password = user, password }
}

// connack tries to connect and returns the code of the CONNACK; 0 = connected.
func (f *fixture) connack(tb testing.TB, id string, change func(*mqtttest.Options)) byte {
	tb.Helper()
	o := mqtttest.Options{Addr: f.broker.Addr().String(), ClientID: id}
	if change != nil {
		change(&o)
	}
	c, err := mqtttest.Dial(tb.Context(), o)
	if err == nil {
		if err := c.Disconnect(); err != nil {
			tb.Fatal(err)
		}
		return 0
	}
	var refused *mqtttest.RefusedError
	if !errors.As(err, &refused) {
		tb.Fatalf("%s: %v", id, err)
	}
	return refused.Code
}

func awaitRefused(tb testing.TB, b *Broker, reason string, n uint64) {
	tb.Helper()
	mqttEventually(tb, reason+" is counted", func() bool { return b.Status().RefusedConnections[reason] == n })
}

func mqttEventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestBroker_usersByPassword(t *testing.T) {
	s := newSecurity(t)
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.UsersFile = s.users })
	for _, c := range []struct {
		user, password string
		want           byte
	}{
		{"ann", "hush", 0},
		{"ann", "Hush", 4},
		{"ann", "", 4},
		{"nobody", "hush", 4},
		{"bob", "hush", 4},
		{"", "", 5},
		{"ann", strings.Repeat("x", 100), 4},
	} {
		if got := f.connack(t, "c", as(c.user, c.password)); got != c.want {
			t.Errorf("%q with %q: code %d, want %d", c.user, c.password, got, c.want)
		}
	}
	for _, c := range []struct {
		user, password string
		want           byte
	}{{"ann", "nope", packets.ErrBadUsernameOrPassword.Code}, {"", "", packets.ErrNotAuthorized.Code}, {"bob", "husch", 0}} {
		pk := packets.Packet{FixedHeader: header(packets.Connect, 0), Connect: packets.ConnectParams{ClientIdentifier: "five", Clean: true, Keepalive: 60}}
		if c.user != "" {
			pk.Connect.UsernameFlag, pk.Connect.Username = true, []byte(c.user)
			pk.Connect.PasswordFlag, pk.Connect.Password = true, []byte(c.password)
		}
		raw := f.raw(t, encode5(t, pk))
		raw.version = 5
		if ack := raw.expect(t, 0x20); ack.ReasonCode != c.want {
			t.Errorf("%q with %q, MQTT 5: code %#x, want %#x", c.user, c.password, ack.ReasonCode, c.want)
		}
	}
	awaitRefused(t, f.broker, refusedPassword, 6)
	awaitRefused(t, f.broker, refusedAnonymous, 2)
	text := f.broker.Troubles(time.Now()).Connection.Text
	if text == "" || strings.Contains(text, "ush") || f.broker.Troubles(time.Now().Add(2*troubleLasts)).Connection.Text != "" {
		t.Errorf("trouble %q", text)
	}
	// The next wrong ones are not looked at, and who is known gets in.
	for range guessBurst {
		f.connack(t, "g", as("ann", "guess"))
	}
	if got := f.connack(t, "g", as("ann", "guess")); got != 3 {
		t.Errorf("one guess too many: code %d, want 3", got)
	}
	if got := f.connack(t, "g", as("ann", "hush")); got != 0 {
		t.Errorf("who is known: code %d", got)
	}
}

// A user that is taken out of the file is thrown out; others stay.
func TestBroker_readsUsersAgain(t *testing.T) {
	s := newSecurity(t)
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.UsersFile = s.users })
	ann, bob := f.dial(t, "a", as("ann", "hush")), f.dial(t, "b", as("bob", "husch"))
	lines, err := os.ReadFile(s.users)
	if err != nil {
		t.Fatal(err)
	}
	_, bobs, _ := strings.Cut(string(lines), "\n")
	s.writeUsers(t, "oh no")
	f.broker.readFilesAgain()
	if fault := f.broker.Troubles(time.Now()).Files; fault == nil || !strings.Contains(fault.Error(), "users_file") {
		t.Errorf("a faulty file: %v", fault)
	}
	publishAcked(t, ann, "site/one", "1", 1) // and what was before holds
	s.writeUsers(t, bobs, quickHash(t, "eve", "new"))
	f.broker.readFilesAgain()
	if fault := f.broker.Troubles(time.Now()).Files; fault != nil {
		t.Errorf("a good file: %v", fault)
	}
	awaitEnd(t, ann)
	publishAcked(t, bob, "site/one", "2", 1)
	if got := f.connack(t, "x", as("ann", "hush")); got != 4 {
		t.Errorf("ann, who is gone: code %d", got)
	}
	if got := f.connack(t, "x", as("eve", "new")); got != 0 {
		t.Errorf("eve, who is new: code %d", got)
	}
}

func TestBroker_tls(t *testing.T) {
	s := newSecurity(t)
	sink := mqtttest.NewSink(1, true)
	f := startBroker(t, sink, func(c *BrokerConfig, _ *BrokerOptions) {
		s.tls(c)
		c.UsersFile = s.users
	})
	messages := make(chan paho.Message, 100)
	o := paho.NewClientOptions().AddBroker("ssl://" + f.broker.TLSAddr().String()).SetClientID("paho")
	client := paho.NewClient(o.SetTLSConfig(s.config(t, nil)).SetUsername("ann").SetPassword("hush"))
	wait := func(token paho.Token) {
		t.Helper()
		if !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("no answer: %v", token.Error())
		}
	}
	wait(client.Connect())
	wait(client.Subscribe("site/#", 2, func(_ paho.Client, m paho.Message) { messages <- m }))
	for qos := range byte(3) {
		wait(client.Publish("site/one", qos, false, "17"))
		if m := receive(t, messages, "the message"); m.Qos() != qos || string(m.Payload()) != "17" {
			t.Errorf("qos %d: got %+v", qos, m)
		}
	}
	client.Disconnect(100)
	if n := len(sink.Stored()); n != 3 {
		t.Errorf("%d batches stored, want 3", n)
	}
}

// dialTLS tries a handshake and a CONNECT, and returns what went wrong.
func (f *fixture) dialTLS(ctx context.Context, config *tls.Config) error {
	c, err := mqtttest.Dial(ctx, mqtttest.Options{Addr: f.broker.TLSAddr().String(), ClientID: "t", TLS: config})
	if err != nil {
		return err
	}
	return c.Disconnect()
}

func TestBroker_clientCertificates(t *testing.T) {
	s := newSecurity(t)
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, o *BrokerOptions) {
		s.tls(c)
		c.ClientCAFile, c.CertUser = s.ca.File, certUserCN
		o.ACL = []ACLRule{{Users: []string{"meter-1"}, Write: []string{"site/one"}}}
	})
	if err := f.dialTLS(t.Context(), s.config(t, &s.client)); err != nil {
		t.Errorf("a good one: %v", err)
	}
	strange := newSecurity(t)
	unknown := s.config(t, &strange.client)
	expired := s.issue(t, certtest.Leaf{Name: "old", NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	unborn := s.issue(t, certtest.Leaf{Name: "new", NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour)})
	nameless := s.issue(t, certtest.Leaf{Name: "#bad"})
	refused := uint64(0)
	for _, c := range []struct {
		name   string
		config *tls.Config
		want   string
	}{
		{"none", s.config(t, nil), "has no certificate"},
		{"unknown authority", unknown, "not in client_ca_file"},
		{"expired", s.config(t, &expired), "expired on"},
		{"not valid yet", s.config(t, &unborn), "this machine's clock says"},
		{"a name that is none", s.config(t, &nameless), "the name in its certificate"},
		{"a client that does not know our authority", strange.config(t, &s.client), "does not take the broker's certificate"},
	} {
		if err := f.dialTLS(t.Context(), c.config); err == nil {
			t.Errorf("%s: let in", c.name)
		}
		refused++
		awaitRefused(t, f.broker, refusedTLS, refused)
		if text := f.broker.Troubles(time.Now()).Connection.Text; !strings.Contains(text, c.want) {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
	plain, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.broker.TLSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Write(connect4("p", true)); err != nil {
		t.Fatal(err)
	}
	awaitRefused(t, f.broker, refusedTLS, refused+1)
	if text := f.broker.Troubles(time.Now()).Connection.Text; !strings.Contains(text, "does not speak TLS") {
		t.Errorf("without TLS: %q", text)
	}
	_ = plain.Close()
	old := s.config(t, &s.client)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := f.dialTLS(t.Context(), old); err == nil {
		t.Error("TLS 1.1 was let in")
	}
}

// A certificate that is put in place of the old one is shown to the next client, and connections stay.
func TestBroker_readsCertificatesAgain(t *testing.T) {
	s := newSecurity(t)
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { s.tls(c) })
	dial := func() (*tls.Conn, time.Time) {
		t.Helper()
		conn, err := (&tls.Dialer{Config: s.config(t, nil)}).DialContext(t.Context(), "tcp", f.broker.TLSAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		secured, ok := conn.(*tls.Conn)
		if !ok {
			t.Fatalf("got a %T", conn)
		}
		return secured, secured.ConnectionState().PeerCertificates[0].NotAfter
	}
	conn, _ := dial()
	first := &rawClient{Conn: conn, version: 4}
	first.write(t, connect4("first", true))
	first.expect(t, 0x20)
	if f.broker.Troubles(time.Now()).Certificate.Text == "" {
		t.Error("a certificate that ends in an hour is no trouble")
	}
	end := time.Now().Add(1000 * time.Hour).Truncate(time.Second)
	s.issue(t, certtest.Leaf{Name: "broker", Hosts: []string{"gateway.local"}, NotAfter: end})
	f.broker.readFilesAgain()
	if _, got := dial(); !got.Equal(end) {
		t.Errorf("the certificate ends %s, want %s", got, end)
	}
	if text := f.broker.Troubles(time.Now()).Certificate.Text; text != "" {
		t.Errorf("trouble %q", text)
	}
	first.write(t, []byte{0xc0, 0})
	first.expect(t, 0xd0)
	if err := os.WriteFile(s.broker.KeyFile, []byte("oh no"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.broker.readFilesAgain()
	if f.broker.Troubles(time.Now()).Files == nil {
		t.Error("a damaged key is no trouble")
	}
	if _, got := dial(); !got.Equal(end) {
		t.Errorf("with a damaged key: the certificate ends %s, want %s", got, end)
	}
}

// Connections that never say a word hold few handshakes, and those of one address not all places.
func TestBroker_boundsHandshakes(t *testing.T) {
	s := newSecurity(t)
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) {
		s.tls(c)
		c.MaxClients = 20
	})
	share := (20 + strangers) / addressShare
	var mute []net.Conn
	for range share + 5 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.broker.TLSAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		mute = append(mute, conn)
	}
	awaitRefused(t, f.broker, refusedFull, 5)
	mqttEventually(t, "handshakes are taken", func() bool { return len(f.broker.handshakes) == maxHandshakes })
	for _, conn := range mute {
		_ = conn.Close()
	}
	mqttEventually(t, "all places are free", func() bool {
		f.broker.mu.Lock()
		defer f.broker.mu.Unlock()
		return f.broker.open == 0 && len(f.broker.waiting) == 0
	})
	if err := f.dialTLS(t.Context(), s.config(t, nil)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestBroker_accessRules(t *testing.T) {
	s := newSecurity(t)
	sink := mqtttest.NewSink(1, true)
	f := startBroker(t, sink, func(c *BrokerConfig, o *BrokerOptions) {
		c.UsersFile, c.AllowAnonymous = s.users, true
		o.ACL = []ACLRule{
			{Users: []string{"*"}, Read: []string{"site/%u/#"}, Write: []string{"site/%u/#"}},
			{Users: []string{"bob"}, Read: []string{"#", "$SYS/#"}},
		}
	})
	bob := f.dial(t, "b", as("bob", "husch"))
	subscribe(t, bob, "site/#", 2)
	subscribe(t, bob, "$SYS/#", 0)
	ann := f.dial(t, "a", as("ann", "hush"))
	for _, filter := range []string{"#", "site/#", "site/bob/x", "$SYS/#", "$share/g/site/#", "+/ann/x"} {
		if err := ann.Subscribe(within(t), filter, 1); err == nil || !strings.Contains(err.Error(), "0x80") {
			t.Errorf("ann subscribes to %q: %v, want code 0x80", filter, err)
		}
	}
	subscribe(t, ann, "site/ann/cmd", 1)
	for qos := range byte(3) {
		publishAcked(t, ann, "site/bob/x", "66", qos) // acknowledged, and dropped
	}
	publishAcked(t, ann, "site/ann/x", "1", 2)
	for m := receive(t, bob.messages, "ann's message"); m.Topic != "site/ann/x"; m = receive(t, bob.messages, "ann's message") {
		if !strings.HasPrefix(m.Topic, "$SYS/") {
			t.Fatalf("bob got %q", m.Topic)
		}
	}
	if n := len(sink.Stored()); n != 1 {
		t.Errorf("%d batches stored, want 1", n)
	}
	if denied := f.broker.Status().Denied; denied[deniedPublish] != 3 || denied[deniedSubscribe] != 6 {
		t.Errorf("denied %v", denied)
	}
	if text := f.broker.Troubles(time.Now()).Denial.Text; !strings.Contains(text, `user "ann" with client id "a" may not publish to "site/bob/x"`) {
		t.Errorf("trouble %q", text)
	}
	nobody := f.dial(t, "n", nil)
	publishAcked(t, nobody, "site/ann/x", "1", 1)
	if err := nobody.Subscribe(within(t), "site/ann/x", 0); err == nil {
		t.Error("an anonymous client subscribed")
	}
	if n := len(sink.Stored()); n != 1 {
		t.Errorf("%d batches stored, want 1", n)
	}
	// A will is looked at when it is made.
	will := func(topic string) func(*mqtttest.Options) {
		return func(o *mqtttest.Options) {
			as("ann", "hush")(o)
			o.Will = &mqtttest.Message{Topic: topic, Payload: []byte("1"), QoS: 1}
		}
	}
	if code := f.connack(t, "w", will("site/bob/gone")); code != 5 {
		t.Errorf("a will that ann may not leave: code %d", code)
	}
	if code := f.connack(t, "w", will("site/ann/gone")); code != 0 {
		t.Errorf("a will that ann may leave: code %d", code)
	}
}

// A client of MQTT 5 is told, also in its turn.
func TestBroker5_accessRules(t *testing.T) {
	sink := mqtttest.NewSink(10, false)
	f := startBroker(t, sink, func(_ *BrokerConfig, o *BrokerOptions) {
		o.ACL = []ACLRule{{Anonymous: true, Read: []string{"r/+"}, Write: []string{"site/mine"}}}
	})
	c, _ := f.dial5(t, "a", nil)
	no := packets.ErrNotAuthorized.Code
	c.write(t, encode5(t, publish5("site/mine", "1", 1, 1)))
	c.write(t, encode5(t, publish5("site/other", "2", 1, 2)))
	c.write(t, encode5(t, publish5("site/other", "3", 2, 3)))
	c.write(t, encode5(t, publish5("site/mine", "4", 2, 3))) // the id is free again
	awaitWaiting(t, sink, 2)
	c.expectNothing(t)
	sink.Commit(-1)
	for i, want := range []struct{ head, code byte }{{0x40, 0}, {0x40, no}, {0x50, no}, {0x50, 0}} {
		if ack := c.expect(t, want.head); ack.ReasonCode != want.code {
			t.Errorf("answer %d: %+v", i, ack)
		}
	}
	c.write(t, encode5(t, packets.Packet{FixedHeader: header(packets.Subscribe, 1), PacketID: 9, Filters: packets.Subscriptions{
		{Filter: "r/#", Qos: 1}, {Filter: "r/+", Qos: 1}, {Filter: "", Qos: 1},
	}}))
	if ack := c.expect(t, 0x90); len(ack.ReasonCodes) != 3 || ack.ReasonCodes[0] != no || ack.ReasonCodes[1] != 1 || ack.ReasonCodes[2] != packets.ErrTopicFilterInvalid.Code {
		t.Errorf("subscribe: %+v", ack.ReasonCodes)
	}
}

// Nobody takes up another user's session, with its subscriptions and what waits for it.
func TestBroker_sessionsBelongToUsers(t *testing.T) {
	s := newSecurity(t)
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.UsersFile, c.AllowAnonymous = s.users, true })
	ann := f.dial(t, "shared", func(o *mqtttest.Options) { as("ann", "hush")(o); o.Keep = true })
	subscribe(t, ann, "site/#", 1)
	if code := f.connack(t, "shared", as("bob", "husch")); code != 5 {
		t.Errorf("while ann is there: code %d", code)
	}
	publishAcked(t, ann, "x", "1", 1) // she is there still
	if err := ann.Disconnect(); err != nil {
		t.Fatal(err)
	}
	for user, password := range map[string]string{"bob": "husch", "": ""} {
		if code := f.connack(t, "shared", as(user, password)); code != 5 {
			t.Errorf("%q, while ann is away: code %d", user, code)
		}
	}
	awaitRefused(t, f.broker, refusedSession, 3)
	back := f.dial(t, "shared", func(o *mqtttest.Options) { as("ann", "hush")(o); o.Keep = true })
	if !back.SessionPresent {
		t.Error("ann's session is gone")
	}
	if code := f.connack(t, "free", as("bob", "husch")); code != 0 {
		t.Errorf("another id: code %d", code)
	}
	mqttEventually(t, "the id is free", func() bool { return f.connack(t, "free", as("ann", "hush")) == 0 })
}

func TestBroker_slowsClientsBeyondTheirRate(t *testing.T) {
	sink := mqtttest.NewSink(1000, true)
	f := startBroker(t, sink, func(c *BrokerConfig, _ *BrokerOptions) { c.MessageRate = 200 })
	fast, other := f.dial(t, "fast", nil), f.dial(t, "other", nil)
	start := time.Now()
	const count = 300
	for range count {
		if _, err := fast.Publish("site/one", []byte("1"), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := fast.Flush(); err != nil {
		t.Fatal(err)
	}
	publishAcked(t, other, "site/one", "2", 1)
	if fast.Acked() == count {
		t.Errorf("another client waited for the fast one: %s", time.Since(start))
	}
	if err := fast.Drain(within(t)); err != nil {
		t.Fatal(err)
	}
	// A second's worth at once, and the rest at the rate: half a second.
	if d := time.Since(start); d < 450*time.Millisecond || f.broker.Status().RateWaits == 0 {
		t.Errorf("took %s, %d waits", d, f.broker.Status().RateWaits)
	}
	if n := len(sink.Stored()); n != count+1 {
		t.Errorf("%d batches stored, want %d", n, count+1)
	}
}

func TestBroker_dropsQoS0BeyondTheRateIfConfigured(t *testing.T) {
	sink := mqtttest.NewSink(1000, true)
	f := startBroker(t, sink, func(c *BrokerConfig, _ *BrokerOptions) { c.ByteRate, c.OverRate = 1024, overRateDrop })
	c := f.dial(t, "c", nil)
	payload := []byte(strings.Repeat(" ", 1100) + "1") // more than a second's worth is taken when it comes first
	for range 10 {
		if _, err := c.Publish("site/one", payload, 0); err != nil {
			t.Fatal(err)
		}
	}
	publishAcked(t, c, "site/one", "2", 1)
	status := f.broker.Status()
	if n := len(sink.Stored()); status.RateDropped+uint64(n) != 11 || n < 2 || status.Messages != 11 {
		t.Errorf("%d dropped, %d stored, %d received; want 11 in all", status.RateDropped, n, status.Messages)
	}
}

func TestRate(t *testing.T) {
	now := time.Unix(1000, 0)
	r := rate{perSecond: 10}
	if r.over(now) || r.pay(now, 100) != 9*time.Second || !r.over(now) {
		t.Error("what is first goes through whole, and is paid for")
	}
	if got := r.pay(now.Add(9*time.Second), 1); got != 100*time.Millisecond {
		t.Errorf("wait %s", got)
	}
	if got := r.pay(now.Add(time.Hour), 10); got != 0 {
		t.Errorf("wait %s after an hour", got)
	}
	free := rate{}
	if free.over(now) || free.pay(now, 1e9) != 0 {
		t.Error("no rate is no limit")
	}
}

func TestBroker_limitsConnectionsOfAnAddress(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.ConnectRate, c.MaxClients = 1, 5 })
	for i := range 6 {
		if code := f.connack(t, strconv.Itoa(i), nil); code != 0 {
			t.Errorf("connection %d: code %d", i, code)
		}
	}
	_, err := mqtttest.Dial(t.Context(), mqtttest.Options{Addr: f.broker.Addr().String(), ClientID: "x"})
	if err == nil || f.broker.Status().RefusedConnections[refusedRate] == 0 {
		t.Errorf("one too many: %v, refused %v", err, f.broker.Status().RefusedConnections)
	}
}

// The programs that people have: mosquitto_pub and mosquitto_sub.
func TestBroker_mosquittoPrograms(t *testing.T) {
	for _, program := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("SKERRY_SKIP_MOSQUITTO") == "1" {
				t.Skip("no " + program + ", and SKERRY_SKIP_MOSQUITTO=1")
			}
			t.Fatalf("%v: apt-get install mosquitto-clients", err)
		}
	}
	s := newSecurity(t)
	sink := mqtttest.NewSink(10, true)
	f := startBroker(t, sink, func(c *BrokerConfig, o *BrokerOptions) {
		s.tls(c)
		c.UsersFile, c.ClientCAFile, c.CertUser = s.users, s.ca.File, certUserSAN
		o.ACL = []ACLRule{{Users: []string{"meter-1.site"}, Read: []string{"site/#"}, Write: []string{"site/%u"}}}
	})
	_, port, err := net.SplitHostPort(f.broker.TLSAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	run := func(program string, args ...string) (string, error) {
		base := []string{"-h", "127.0.0.1", "-p", port, "--cafile", s.ca.File, "-q", "2", "-V"}
		out, err := exec.CommandContext(within(t), program, append(base, args...)...).CombinedOutput()
		return string(out), err
	}
	for _, version := range []string{"311", "5"} {
		certs := []string{version, "--cert", s.client.CertFile, "--key", s.client.KeyFile}
		if out, err := run("mosquitto_pub", append(certs, "-t", "site/meter-1.site", "-m", "1", "-r")...); err != nil {
			t.Errorf("publish with MQTT %s: %v: %s", version, err, out)
		}
		if out, err := run("mosquitto_sub", append(certs, "-t", "site/#", "-C", "1")...); err != nil || out != "1\n" {
			t.Errorf("subscribe with MQTT %s: %v: %q", version, err, out)
		}
	}
	if out, err := run("mosquitto_pub", "311", "-t", "site/x", "-m", "1"); err == nil {
		t.Errorf("without a certificate: published %s", out)
	}
	if n := len(sink.Stored()); n != 2 {
		t.Errorf("%d batches stored, want 2", n)
	}
}

func TestBroker_saysWhichFileIsAtFault(t *testing.T) {
	s := newSecurity(t)
	for _, c := range []struct {
		key    string
		change func(*BrokerConfig)
		want   string
	}{
		{"users_file", func(c *BrokerConfig) { c.UsersFile = filepath.Join(s.dir, "none") }, "no such file"},
		{"cert_file", func(c *BrokerConfig) { s.tls(c); c.CertFile = filepath.Join(s.dir, "none") }, "no such file"},
		{"cert_file", func(c *BrokerConfig) { s.tls(c); c.CertFile = s.client.CertFile }, "belongs to the key"},
		{"key_file", func(c *BrokerConfig) { s.tls(c); c.KeyFile = filepath.Join(s.dir, "none") }, "no such file"},
		{"client_ca_file", func(c *BrokerConfig) { s.tls(c); c.ClientCAFile = s.broker.KeyFile }, "no certificate"},
	} {
		config := DefaultBrokerConfig()
		config.Listen = "127.0.0.1:0"
		c.change(&config)
		err := NewBroker(config, nil, mqtttest.NewSink(1, true), clockForTest, BrokerOptions{Log: discardLog()}).Listen(t.Context())
		var file *FileError
		if !errors.As(err, &file) || file.Key != c.key || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.key, err)
		}
	}
}

// publishAcked publishes, and waits for the acknowledgement.
func publishAcked(tb testing.TB, c *testClient, topic, payload string, qos byte) {
	tb.Helper()
	publishNow(tb, c, topic, payload, qos)
	if err := c.Drain(within(tb)); err != nil {
		tb.Fatal(err)
	}
}
