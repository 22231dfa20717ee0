package mqtt

import (
	"context"
	"os"
	"sync/atomic"
	"time"
)

// BrokerStatus is what a broker says of itself. Counters are since the start.
type BrokerStatus struct {
	Listen     string `json:"listen"`     // the address with the real port; empty before Listen, and when there is none
	TLSListen  string `json:"tls_listen"` // likewise
	Clients    int64  `json:"clients"`    // connected
	Sessions   int64  `json:"sessions"`   // kept, connected or not
	Messages   uint64 `json:"messages"`   // received; each repeat counts
	Acked      uint64 `json:"acked"`      // PUBACK and PUBREC sent, repeats not counted
	Passed     uint64 `json:"passed"`     // messages that no source takes
	Refused    uint64 `json:"refused"`    // messages to topics of the server
	Dropped    uint64 `json:"dropped"`    // messages that a subscriber did not get because its queue was full
	Unpassed   uint64 `json:"unpassed"`   // messages that no subscriber got because too many waited for a commit
	Retained   int64  `json:"retained"`   // messages that are retained
	Unretained uint64 `json:"unretained"` // messages that could not be
	Forgotten  uint64 `json:"forgotten"`  // sessions forgotten to make room

	RefusedConnections map[string]uint64 `json:"refused_connections"` // by reason
	Denied             map[string]uint64 `json:"denied"`              // "publish" and "subscribe": what the rules did not allow
	Hashed             uint64            `json:"hashed"`              // passwords that were hashed
	RateWaits          uint64            `json:"rate_waits"`          // packets after which a client beyond its rate was not read for a while
	RateDropped        uint64            `json:"rate_dropped"`        // messages of QoS 0 beyond their client's rate
}

// BrokerTroubles are what people should know of a broker.
type BrokerTroubles struct {
	Connection  BrokerTrouble // refused
	Denial      BrokerTrouble // of a message or subscription, by the rules
	Certificate BrokerTrouble // not valid, or not for much longer
	Files       error         // why the files as they are now are not used; nil: they are
	Open        []string      // addresses where anyone may come in over the network
}

// Status returns what the broker says of itself.
func (b *Broker) Status() BrokerStatus {
	info := b.server.Info
	s := BrokerStatus{
		Clients:  atomic.LoadInt64(&info.ClientsConnected),
		Sessions: int64(b.server.Clients.Len()),
		Messages: b.messages.Load(), Acked: b.acked.Load(), Passed: b.passed.Load(), Refused: b.refused.Load(),
		Dropped:  uint64(max(0, atomic.LoadInt64(&info.MessagesDropped)+atomic.LoadInt64(&info.InflightDropped))),
		Unpassed: b.unpassed.Load(), Retained: atomic.LoadInt64(&info.Retained),
		Unretained: b.unretained.Load(), Forgotten: b.forgotten.Load(),
	}
	if addr := b.Addr(); addr != nil {
		s.Listen = addr.String()
	}
	if addr := b.TLSAddr(); addr != nil {
		s.TLSListen = addr.String()
	}
	if b.secrets.checker != nil {
		s.Hashed = b.secrets.checker.hashed.Load()
	}
	s.RateWaits, s.RateDropped = b.rateWaits.Load(), b.rateDropped.Load()
	s.RefusedConnections, s.Denied, _, _ = b.refusals.counts()
	return s
}

// Troubles returns what people should know of the broker at a time.
func (b *Broker) Troubles(now time.Time) BrokerTroubles {
	var t BrokerTroubles
	_, _, connection, denial := b.refusals.counts()
	if connection.Recent(now) {
		t.Connection = connection
	}
	if denial.Recent(now) {
		t.Denial = denial
	}
	if text, hint := b.certificateFault(now); text != "" {
		t.Certificate = BrokerTrouble{At: now, Text: text, Hint: hint}
	}
	_, t.Files = b.secrets.state()
	t.Open = b.config.OpenTo()
	return t
}

// warnOfFiles logs which secret files everyone on this machine may read.
func (b *Broker) warnOfFiles(ctx context.Context) {
	for key, path := range b.secrets.files() {
		if key != "key_file" && key != "users_file" {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
			b.log.WarnContext(ctx, "file can be read by everyone", "key", key, "file", path, "hint", "chmod 600")
		}
	}
}
