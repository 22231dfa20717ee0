package mqtt

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors"
)

const (
	maxTopicAlias = 64  // that a client of MQTT 5 may use
	topicsCached  = 256 // of one client
)

// topic is what is known of one topic. Owned by one goroutine.
type topic struct {
	name    string
	table   *routeTable
	routes  []int  // indexes into table.routes
	refused bool   // one that only the server may publish to
	denied  bool   // one that the rules do not allow this client
	heard   bool   // somebody subscribes to it, as of epoch
	epoch   uint64 // Broker.epoch
}

// heardNow reports whether somebody subscribes to the topic.
func (t *topic) heardNow(b *Broker) bool {
	if epoch := b.epoch.Load(); t.epoch != epoch {
		subscribers := b.server.Topics.Subscribers(t.name)
		t.heard = len(subscribers.Subscriptions)+len(subscribers.Shared) > 0
		t.epoch = epoch
	}
	return t.heard
}

// topicCache remembers the topics that a client publishes to, as most publish to few. Owned by one goroutine.
type topicCache struct {
	table   *routeTable // as of which topics are
	topics  map[string]*topic
	last    *topic
	aliases map[uint16][]byte // of MQTT 5
}

// alias sets what alias stands for if name is not empty, and returns what it stands for.
func (c *topicCache) alias(alias uint16, name []byte) ([]byte, error) {
	if alias == 0 || alias > maxTopicAlias || len(name) > sensors.MaxTopicBytes {
		return nil, packets.ErrTopicAliasInvalid
	}
	if len(name) == 0 {
		name = c.aliases[alias]
		if name == nil {
			return nil, packets.ErrTopicAliasInvalid
		}
		return name, nil
	}
	if c.aliases == nil {
		c.aliases = make(map[uint16][]byte)
	}
	c.aliases[alias] = bytes.Clone(name)
	return name, nil
}

// find returns the topic of that name, as it is for the client of that account.
func (c *topicCache) find(name []byte, b *Broker, who *account) (*topic, error) {
	if table := b.table.Load(); c.table != table {
		c.table, c.topics, c.last = table, nil, nil
	}
	if c.last != nil && string(name) == c.last.name {
		return c.last, nil
	}
	if t := c.topics[string(name)]; t != nil {
		c.last = t
		return t, nil
	}
	if len(name) == 0 {
		return nil, packets.ErrProtocolViolationNoTopic
	}
	if len(name) > sensors.MaxTopicBytes || bytes.ContainsAny(name, "+#") || bytes.IndexByte(name, 0) >= 0 || !utf8.Valid(name) {
		return nil, packets.ErrTopicNameInvalid
	}
	t := &topic{name: string(name), table: c.table}
	t.refused = isReserved(t.name)
	t.denied = !t.refused && !who.mayWrite(t.name)
	if !t.refused && !t.denied {
		t.routes = c.table.matching(t.name)
	}
	if c.topics == nil || len(c.topics) >= topicsCached {
		c.topics = make(map[string]*topic)
	}
	c.topics[t.name], c.last = t, t
	return t, nil
}

// isReserved reports whether clients may not publish to the topic.
func isReserved(name string) bool {
	level, _, _ := strings.Cut(name, "/")
	return strings.EqualFold(level, "$SYS") || strings.EqualFold(level, "$share")
}
