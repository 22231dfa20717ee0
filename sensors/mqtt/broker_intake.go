package mqtt

import (
	"errors"
	"slices"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors"
)

// slabReadings is how many readings and origins are allocated at once: messages of a few readings share one allocation.
const slabReadings = 64

// intake turns messages into batches. Owned by one goroutine.
type intake struct {
	publication publication // of the message at hand, to save an allocation
	table       *routeTable
	decoders    []sensors.Decoder // of its routes; nil until there is a message
	answers     []sensors.Message // of the decoders, to the message at hand
	readings    []sensors.Reading // those beyond its length are free
	origins     []sensors.Origin  // likewise
}

// decode returns the batch that the route makes of the message, and false when there is nothing to
// store. It counts what it rejects; what it returns is the caller's to count.
func (in *intake) decode(b *Broker, route int, p *publication) (sensors.Batch, bool) {
	if in.table != p.topic.table {
		in.adopt(p.topic.table)
	}
	r := in.table.routes[route]
	if in.decoders[route] == nil {
		in.decoders[route] = r.NewDecoder()
	}
	if in.readings == nil || cap(in.readings)-len(in.readings) < slabReadings/8 {
		in.readings = make([]sensors.Reading, 0, slabReadings)
	}
	now, quality := b.clock()
	raw := sensors.Raw{Source: r.Source, Topic: p.topic.name, Payload: p.payload, Arrived: now, Quality: quality}
	free := in.readings[len(in.readings):]
	got, err := in.decoders[route].Decode(free, raw)
	if attentive, ok := in.decoders[route].(sensors.Attentive); ok {
		aside := attentive.Aside()
		r.Tally.Aside(now, aside)
		in.answers = append(in.answers, aside.Answers...)
	}
	if err != nil {
		var fault *sensors.DecodeError
		if !errors.As(err, &fault) {
			fault = &sensors.DecodeError{Reason: sensors.ReasonSyntax, What: err.Error()}
		}
		r.Tally.Reject(now, fault, p.payload, len(p.payload))
		r.Tally.Show(p.topic.name, p.payload, len(p.payload), nil, fault)
		return sensors.Batch{}, false
	}
	r.Tally.Show(p.topic.name, p.payload, len(p.payload), got, nil)
	if len(got) == 0 {
		r.Tally.Decoded(len(p.payload), 0)
		return sensors.Batch{}, false
	}
	if len(got) <= cap(free) {
		in.readings = in.readings[:len(in.readings)+len(got)]
	}
	return sensors.Batch{Source: r.Source, Collection: r.Collection, Readings: slices.Clip(got)}, true
}

func (in *intake) origin(client string, p *publication) *sensors.Origin {
	if len(in.origins) == cap(in.origins) {
		in.origins = make([]sensors.Origin, 0, slabReadings)
	}
	in.origins = append(in.origins, sensors.Origin{Client: client, Hash: p.hash, PacketID: p.id})
	return &in.origins[len(in.origins)-1]
}

// add offers a message of QoS 1 or 2 to the routes that take it, except those in have. It waits for room in the
// pipeline. m must not be used afterwards. An error ends the connection.
func (in *intake) add(c *brokerConn, p *publication, m *inbound, have uint32) error {
	defer in.answer(c)
	routes := p.topic.routes
	for i, route := range routes {
		if have&routeBit(i) != 0 {
			m.skip()
			continue
		}
		batch, ok := in.decode(c.broker, route, p)
		if !ok {
			m.skip()
			continue
		}
		batch.Origin = in.origin(c.client.ID, p)
		readings := len(batch.Readings)
		r := in.table.routes[route]
		if err := r.Sink.Add(c.life, batch, m.doneOf(i)); err != nil {
			if c.life.Err() != nil {
				err = errClosed
			}
			m.finish(len(routes)-i, 0, err)
			return errClosed
		}
		r.Tally.Decoded(len(p.payload), readings)
	}
	return nil
}

// offer offers a message of QoS 0 to the routes that take it, which never waits. m may be nil, and must not be used
// afterwards.
func (in *intake) offer(c *brokerConn, p *publication, m *inbound) {
	defer in.answer(c)
	for i, route := range p.topic.routes {
		batch, ok := in.decode(c.broker, route, p)
		if !ok {
			if m != nil {
				m.skip()
			}
			continue
		}
		var done func(error)
		if m != nil {
			done = m.doneOf(i)
		}
		r := in.table.routes[route]
		r.Tally.Decoded(len(p.payload), len(batch.Readings))
		r.Sink.Offer(batch, done)
	}
}

// answer passes on what the decoders had to answer. No source takes it: it is the agent's own.
func (in *intake) answer(c *brokerConn) {
	for _, a := range in.answers {
		c.deliver(&packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: a.Topic, Payload: a.Payload,
			Origin: answersAs, ProtocolVersion: 4,
		})
	}
	clear(in.answers)
	in.answers = in.answers[:0]
}

// answersAs is the client in whose name answers are passed on.
const answersAs = "skerry"
