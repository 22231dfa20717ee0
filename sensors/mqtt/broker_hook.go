package mqtt

import (
	"math"
	"sync/atomic"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors"
)

const (
	maxSubscriptions    = 1000   // of one client
	maxAllSubscriptions = 20_000 // of all sessions
)

// brokerHook is what the server (mochi) asks and tells us.
type brokerHook struct {
	mochi.HookBase

	broker *Broker
}

// ID names the hook.
func (h *brokerHook) ID() string { return "skerry" }

// Provides says which methods the server is to call.
func (h *brokerHook) Provides(method byte) bool {
	switch method {
	case mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnSessionEstablish,
		mochi.OnSessionEstablished, mochi.OnDisconnect, mochi.OnClientExpired, mochi.OnPacketRead,
		mochi.OnPacketEncode, mochi.OnPublish, mochi.OnSubscribe, mochi.OnSubscribed, mochi.OnUnsubscribed,
		mochi.OnRetainedExpired, mochi.OnQosPublish, mochi.OnQosComplete, mochi.OnQosDropped, mochi.OnRetainPublished,
		mochi.OnPublishDropped:
		return true
	default:
		return false
	}
}

func connOf(cl *mochi.Client) (*brokerConn, bool) {
	c, ok := cl.Net.Conn.(*brokerConn)
	return c, ok
}

// OnConnect checks a CONNECT packet that the server found valid.
func (h *brokerHook) OnConnect(cl *mochi.Client, pk packets.Packet) error {
	c, ok := connOf(cl)
	if !ok {
		return errUnwelcome
	}
	return h.broker.welcome(c, cl, &pk)
}

// OnConnectAuthenticate lets in whom OnConnect did.
func (h *brokerHook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

// OnACLCheck allows everything: what the rules do not allow ends in OnSubscribe and in publish. It is called before a message is queued for a subscriber, who
// does not get it when too much waits already.
func (h *brokerHook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	c, ok := connOf(cl)
	if write || !ok {
		return true
	}
	h.broker.awaitAcks(c, cl)
	if h.broker.mayHold(c, cl) && h.broker.mayQueue(c, cl, topic) {
		return true
	}
	h.broker.missed()
	return false
}

// OnQosPublish is called when a message of QoS 1 or 2 waits for the client's ack, and when it is sent again.
func (h *brokerHook) OnQosPublish(cl *mochi.Client, pk packets.Packet, _ int64, _ int) {
	if pk.FixedHeader.Type == packets.Publish {
		h.broker.hold(cl, &pk)
	}
}

// OnQosDropped is called when a message does not wait any more without the client's ack.
func (h *brokerHook) OnQosDropped(cl *mochi.Client, pk packets.Packet) {
	h.broker.letGo(cl, pk.PacketID)
}

// OnRetainPublished is called when a retained message was queued for the client, in the goroutine that reads for it.
func (h *brokerHook) OnRetainPublished(cl *mochi.Client, _ packets.Packet) {
	if c, ok := connOf(cl); ok {
		c.paceRetained()
	}
}

// OnQosComplete is called after the client's last ack of a message.
func (h *brokerHook) OnQosComplete(cl *mochi.Client, pk packets.Packet) {
	h.broker.letGo(cl, pk.PacketID)
	h.broker.settled(cl)
}

// OnSessionEstablish is called before the server takes over an older connection of the client.
func (h *brokerHook) OnSessionEstablish(cl *mochi.Client, pk packets.Packet) {
	if c, ok := connOf(cl); ok {
		h.broker.establish(c, cl, &pk)
	}
}

// OnSessionEstablished is called when the client was told that it is connected.
func (h *brokerHook) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	c, ok := connOf(cl)
	if !ok {
		return
	}
	c.establishedNow()
	c.place.welcomed()
	h.broker.epoch.Add(1) // it may have subscriptions from before
	h.broker.comeBack(cl.ID, c.resumed)
}

// OnDisconnect is called in the goroutine that read for the client.
func (h *brokerHook) OnDisconnect(cl *mochi.Client, _ error, expire bool) {
	if c, ok := connOf(cl); ok && c.session != nil {
		h.broker.disconnected(c, cl, expire)
	}
}

// OnClientExpired is called when a session has been without a connection for too long.
func (h *brokerHook) OnClientExpired(cl *mochi.Client) { h.broker.expire(cl) }

// OnPacketRead sees all packets but PUBLISH and PUBREL: see brokerConn.
func (h *brokerHook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	c, ok := connOf(cl)
	if !ok {
		return pk, nil
	}
	switch pk.FixedHeader.Type {
	case packets.Puback, packets.Pubcomp:
		c.arrived(pk.PacketID)
	case packets.Pubrec:
		if pk.ReasonCode >= packets.ErrUnspecifiedError.Code {
			c.arrived(pk.PacketID)
		}
	case packets.Disconnect:
		if pk.ReasonCode != packets.CodeDisconnectWillMessage.Code {
			c.will = nil
		}
	}
	return pk, nil
}

// OnPacketEncode is called before a packet is written, in a goroutine of the packet's receiver except for DISCONNECT.
func (h *brokerHook) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	c, ok := connOf(cl)
	if !ok {
		return pk
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		pk.Properties.TopicAliasMaximum = maxTopicAlias
		pk.Properties.MaximumPacketSize = uint32(min(h.broker.config.MaxPacket, math.MaxInt32)) //nolint:gosec // positive: validated
		c.connected()
	case packets.Disconnect: // of a connection that another one takes over
	case packets.Suback:
		c.tellDenied(&pk)
		c.awaitRoom()
	case packets.Publish:
		c.awaitSend(pk.FixedHeader.Qos, pk.FixedHeader.Dup)
		if pk.FixedHeader.Qos == 0 {
			h.broker.ahead.written(c, &pk)
		}
	default:
		c.awaitRoom()
	}
	return pk
}

// OnPublish sees what deliver injects. The server sends what waited for a client's return in the order
// of Created, which it sets to the second: we count.
func (h *brokerHook) OnPublish(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	pk.Created = h.broker.delivered.Add(1)
	return pk, nil
}

// OnSubscribe makes filters invalid that the client may not have. The server answers accordingly.
func (h *brokerHook) OnSubscribe(cl *mochi.Client, pk packets.Packet) packets.Packet {
	c, ok := connOf(cl)
	if ok {
		c.occupy()
		c.beginRetained()
		c.denyFilters(&pk)
	}
	have, all := cl.State.Subscriptions.Len(), atomic.LoadInt64(&h.broker.server.Info.Subscriptions)
	for i := range pk.Filters {
		if len(pk.Filters[i].Filter) > sensors.MaxTopicBytes || have+i >= maxSubscriptions || all+int64(i) >= maxAllSubscriptions {
			pk.Filters[i].Filter = ""
		}
	}
	return pk
}

// denyFilters makes the filters of a SUBSCRIBE invalid that the rules do not allow.
func (c *brokerConn) denyFilters(pk *packets.Packet) {
	c.deniedFilters = c.deniedFilters[:0]
	who := c.account.Load()
	for i := range pk.Filters {
		if filter := pk.Filters[i].Filter; filter != "" && !who.mayRead(filter) {
			c.broker.refusals.deny(c.broker.log, deniedSubscribe, who, filter)
			c.deniedFilters = append(c.deniedFilters, i)
			pk.Filters[i].Filter = ""
		}
	}
}

// tellDenied puts the reason into the answer to that SUBSCRIBE. Before MQTT 5 there is one code for all reasons, which the
// server has set.
func (c *brokerConn) tellDenied(pk *packets.Packet) {
	if c.version < 5 {
		return
	}
	for _, i := range c.deniedFilters {
		if i < len(pk.ReasonCodes) {
			pk.ReasonCodes[i] = packets.ErrNotAuthorized.Code
		}
	}
}

// OnSubscribed is called before the client is told.
func (h *brokerHook) OnSubscribed(*mochi.Client, packets.Packet, []byte) { h.broker.epoch.Add(1) }

// OnUnsubscribed is called before the client is told.
func (h *brokerHook) OnUnsubscribed(*mochi.Client, packets.Packet) { h.broker.epoch.Add(1) }

// OnRetainedExpired is called when a retained message was removed because of its age.
func (h *brokerHook) OnRetainedExpired(topic string) { h.broker.retained.remove(topic) }
