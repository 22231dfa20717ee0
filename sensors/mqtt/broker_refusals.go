package mqtt

import (
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// troubleLasts is for how long what was refused counts as trouble that people should know of.
const troubleLasts = 5 * time.Minute

// The reasons for which a connection is refused.
const (
	refusedFull      = "full"      // too many connections, in all or without CONNECT
	refusedRate      = "rate"      // too many connections of its address a second
	refusedTLS       = "tls"       // the handshake failed, or took too long
	refusedPassword  = "password"  // no such user, or a wrong password
	refusedAnonymous = "anonymous" // it names no user
	refusedGuesses   = "guesses"   // too many wrong passwords from its address
	refusedBusy      = "busy"      // too many passwords wait to be checked
	refusedSession   = "session"   // its client id has a session of another user
	refusedWill      = "will"      // its user may not publish to the will's topic
	refusedRevoked   = "revoked"   // it was connected, and its user is gone or has another password
)

// The reasons for which a client may not do what it asked for.
const (
	deniedPublish   = "publish"
	deniedSubscribe = "subscribe"
)

// BrokerTrouble is the latest of a kind of refusals. The zero value: there was none.
type BrokerTrouble struct {
	Since time.Time // the first after a time without any
	At    time.Time // the latest
	Text  string    // holds no secret
	Hint  string
}

// next returns the trouble that comes after t, now.
func (t BrokerTrouble) next(now time.Time, text, hint string) BrokerTrouble {
	since := now
	if t.Recent(now) {
		since = t.Since
	}
	return BrokerTrouble{Since: since, At: now, Text: text, Hint: hint}
}

// Recent reports whether it counts as trouble at that time.
func (t BrokerTrouble) Recent(now time.Time) bool {
	return !t.At.IsZero() && now.Sub(t.At) < troubleLasts
}

// refusals counts what the broker refused. Safe for concurrent use.
type refusals struct {
	mu          sync.Mutex // guards what follows
	connections map[string]uint64
	denied      map[string]uint64
	connection  BrokerTrouble
	denial      BrokerTrouble
	logged      map[string]time.Time // by reason
	unlogged    map[string]uint64
}

func newRefusals() *refusals {
	return &refusals{
		connections: map[string]uint64{}, denied: map[string]uint64{},
		logged: map[string]time.Time{}, unlogged: map[string]uint64{},
	}
}

// refuseConnection counts a connection that is not served. who is its address, what says why.
func (r *refusals) refuseConnection(log *slog.Logger, reason, who, what, hint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connections[reason]++
	r.connection = r.connection.next(time.Now(), who+": "+what, hint)
	r.logLocked(log, "connection refused", reason, who, what)
}

// deny counts a message or a subscription that the rules do not allow.
func (r *refusals) deny(log *slog.Logger, what string, who *account, topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.denied[what]++
	text := fmt.Sprintf("%s with client id %.64q may not %s to %.128q", who.name(), who.client, what, topic)
	key := "write"
	if what == deniedSubscribe {
		key = "read"
	}
	r.denial = r.denial.next(time.Now(), text, "if it should, add the topic to "+key+" of a section [[mqtt.acl]] that is for it")
	r.logLocked(log, "topic denied", what, who.client, text)
}

// logLocked logs one refusal of each reason in a while.
func (r *refusals) logLocked(log *slog.Logger, message, reason, who, what string) {
	now := time.Now()
	if now.Sub(r.logged[reason]) < complainEvery {
		r.unlogged[reason]++
		return
	}
	log.Warn(message, "reason", reason, "remote", who, "err", what, "unlogged", r.unlogged[reason]) //nolint:sloglint // two messages, both constant
	r.logged[reason], r.unlogged[reason] = now, 0
}

// counts returns copies of the counters.
func (r *refusals) counts() (connections, denied map[string]uint64, connection, denial BrokerTrouble) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.connections), maps.Clone(r.denied), r.connection, r.denial
}
