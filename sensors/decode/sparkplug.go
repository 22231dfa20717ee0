package decode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// The tags of format sparkplug, which are placeholders too. {device} is empty for metrics of the edge node itself.
const (
	tagGroup  = "group"
	tagNode   = "node"
	tagDevice = "device"
)

// The series that say whether an edge node or a device is there. No edge node names metrics so: Ignition's hosts do.
const (
	nodeOnline   = "Node Info/Online"
	deviceOnline = "Device Info/Online"
)

// sparkplugDecoder reads messages of Sparkplug B (3.0, and 2.2 where it differs): topics
// spBv1.0/GROUP/TYPE/NODE[/DEVICE], payloads as in readPayload. A metric is named as in its birth certificate; group, node
// and device are tags; the unit is the property engUnit. What is known of births is in edges, which all decoders
// of the source share.
//
//   - NBIRTH, DBIRTH, NDATA, DDATA: each metric is a reading, with its own time, else the payload's, else that of arrival.
//     Metrics that are null are none, nor are bdSeq and what begins with "Node Control/" or "Device Control/".
//   - NBIRTH and DBIRTH are also true of the series nodeOnline or deviceOnline, NDEATH and DDEATH false, at the time of arrival:
//     a death is published by the broker, and has no time of its own.
//   - NCMD, DCMD and STATE are for others: no reading, and no error.
type sparkplugDecoder struct {
	message
	aside sensors.Aside
	topic sparkplugTopic
	edge  []byte // "group/node"
	hash  uint64

	metric wireMetric // scratch: the one at hand
}

// sparkplugTopic is a topic of an edge node or device. Its parts are of the topic.
type sparkplugTopic struct{ group, kind, node, device string }

func newSparkplugDecoder(f *Format) *sparkplugDecoder {
	return &sparkplugDecoder{message: message{format: f}}
}

// mayBeSparkplug reports whether the pattern takes topics of Sparkplug B.
func mayBeSparkplug(p sensors.TopicPattern) bool {
	first, _, _ := strings.Cut(p.Filter(), "/")
	return first == "spBv1.0" || first == "+" || first == "#"
}

// Decode implements sensors.Decoder.
func (d *sparkplugDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	d.aside = sensors.Aside{}
	err := d.start(dst, raw)
	if err == nil {
		err = d.take()
	}
	d.metric, d.topic = wireMetric{}, sparkplugTopic{} // they are of the input
	if err != nil {
		d.aside.Unread = 0
	}
	return d.finish(err)
}

// Aside implements sensors.Attentive.
func (d *sparkplugDecoder) Aside() sensors.Aside { return d.aside }

// Missed implements sensors.Attentive.
func (d *sparkplugDecoder) Missed() { d.format.edges.missed() }

// parseTopic takes the topic apart. ours is false for what is for others.
func (d *sparkplugDecoder) parseTopic() (ours bool, err error) {
	namespace, rest, _ := strings.Cut(d.raw.Topic, "/")
	t := sparkplugTopic{}
	t.group, rest, _ = strings.Cut(rest, "/")
	if namespace == "spBv1.0" && t.group == "STATE" {
		return false, nil
	}
	var hasDevice bool
	t.kind, rest, _ = strings.Cut(rest, "/")
	t.node, t.device, hasDevice = strings.Cut(rest, "/")
	ofDevice := false
	switch t.kind {
	case "NBIRTH", "NDEATH", "NDATA", "NCMD":
	case "DBIRTH", "DDEATH", "DDATA", "DCMD":
		ofDevice = true
	default:
		namespace = ""
	}
	if namespace != "spBv1.0" || t.group == "" || t.node == "" || hasDevice != ofDevice || ofDevice && t.device == "" || strings.Contains(t.device, "/") {
		return false, reject(sensors.ReasonSyntax, "topic %.200q is none of Sparkplug B", d.raw.Topic)
	}
	d.topic = t
	return t.kind[1:] != "CMD", nil
}

// take decodes one message.
func (d *sparkplugDecoder) take() error {
	ours, err := d.parseTopic()
	d.quiet = true // a message without metrics is right
	if err != nil || !ours {
		return err
	}
	if err := d.choose(d.topic.device); err != nil {
		return err
	}
	s := d.format.edges
	d.edge = append(append(append(d.edge[:0], d.topic.group...), '/'), d.topic.node...)
	d.hash = s.hash(d.raw.Topic, d.raw.Payload)
	p, unread := readPayload(d.raw.Payload)
	e := s.lock(d.edge, !strings.HasSuffix(d.topic.kind, "DEATH"))
	switch {
	case e == nil && strings.HasSuffix(d.topic.kind, "DEATH"):
		if unread != nil {
			return unread
		}
		return d.online(d.topic.device, false)
	case e == nil:
		return reject(sensors.ReasonSeries, "more than %d edge nodes are there", maxEdges)
	}
	defer e.mu.Unlock()
	if unread != nil {
		if d.topic.kind == "NBIRTH" { // what it said instead is not known
			s.forget(e)
			d.ask(e)
		}
		return unread
	}
	switch d.topic.kind {
	case "NBIRTH":
		return d.nodeBirth(e, &p)
	case "NDEATH":
		return d.nodeDeath(e)
	}
	if !e.born {
		if d.topic.kind == "DDEATH" {
			return d.online(d.topic.device, false)
		}
		return d.noBirth(e, "no birth of the edge node was heard")
	}
	return d.numbered(e, &p)
}

// choose makes d.plan that of the edge node or of its device. Births and data have one plan: {topic} is that of data.
func (d *sparkplugDecoder) choose(device string) error {
	t := &d.topic
	d.key = append(append(append(d.key[:0], "spBv1.0/"...), t.group...), "/NDATA/"...)
	d.key = append(d.key, t.node...)
	if device != "" {
		d.key[len("spBv1.0/")+len(t.group)+1] = 'D'
		d.key = append(append(d.key, '/'), device...)
	}
	c := d.format.cache.Load()
	if p, ok := c.topics.find(d.key); ok {
		d.plan = p
		return nil
	}
	group, node, device := strings.Clone(t.group), strings.Clone(t.node), strings.Clone(device)
	own := []sensors.Tag{{Key: tagGroup, Value: group}, {Key: tagNode, Value: node}}
	words := slices.Concat(own, []sensors.Tag{{Key: tagDevice, Value: device}})
	if device != "" {
		own = words
	}
	var err error
	d.plan, err = d.format.newPlan(c, string(d.key), d.key, words, own)
	return err
}

// numbered decodes a message of an edge node that is born, and that has a number: all but NBIRTH and NDEATH.
func (d *sparkplugDecoder) numbered(e *edge, p *wirePayload) error {
	s, device, expected := d.format.edges, d.topic.device, e.next
	how, at := e.step(p, d.hash)
	switch how {
	case late:
		d.ask(e)
		return reject(sensors.ReasonSequence, "seq %d is older than the birth of the edge node", p.seq)
	case afterGap:
		d.aside.Gap = &sensors.DecodeError{
			Reason: sensors.ReasonGap, What: fmt.Sprintf("edge node %.100q: seq %d came instead of %d", d.edge, p.seq, expected),
		}
		d.ask(e)
	case inOrder, repeated:
	}
	switch d.topic.kind {
	case "DBIRTH":
		return d.deviceBirth(e, p, at, how == repeated)
	case "DDEATH":
		if how != repeated {
			s.forgetDevice(e, []byte(device))
		}
		return d.online(device, false)
	case "DDATA":
		b := e.devices[device]
		if b == nil {
			return d.noBirth(e, "no birth of the device was heard")
		}
		if how == repeated && at <= b.since {
			return reject(sensors.ReasonSequence, "seq %d came again after a birth of its device", p.seq)
		}
		if p.stamped && p.stamp < b.stamp {
			d.ask(e)
			return reject(sensors.ReasonSequence, "seq %d is older than the birth of its device", p.seq)
		}
		return d.values(e, b, p, false)
	}
	return d.values(e, e.own, p, false)
}

// nodeBirth decodes NBIRTH.
func (d *sparkplugDecoder) nodeBirth(e *edge, p *wirePayload) error {
	s := d.format.edges
	if e.born && d.hash == e.hash { // it came again: nothing begins anew
		if err := d.online("", true); err != nil {
			return err
		}
		return d.values(e, e.own, p, true)
	}
	if d.hash == e.hash {
		return reject(sensors.ReasonSequence, "the birth came again, and does not hold any more")
	}
	doubtful := e.isDoubtful(p)
	before, had := e.session, e.born && e.sessioned
	gone := slices.Sorted(mapsKeys(e.devices))
	s.forget(e)
	if doubtful {
		e.doubted, e.doubt = true, p.stamp
		d.ask(e)
		return reject(sensors.ReasonSequence, "the birth is older than the one before: it came late, or the edge node's clock went back")
	}
	b, err := d.define(p)
	if err != nil {
		d.ask(e)
		return err
	}
	e.install(b, p, d.hash)
	e.session, e.sessioned, _ = d.session()        // define read all metrics
	if had && e.sessioned && e.session != before { // its death was not heard
		for _, device := range gone {
			if err := d.online(device, false); err != nil {
				return err
			}
		}
	}
	if err := d.online("", true); err != nil {
		return err
	}
	return d.values(e, b, p, true)
}

// deviceBirth decodes DBIRTH. A repeat says again what was measured, and no more: later births may hold.
func (d *sparkplugDecoder) deviceBirth(e *edge, p *wirePayload, at uint64, again bool) error {
	s, device := d.format.edges, d.topic.device
	if !again {
		s.forgetDevice(e, []byte(device))
	}
	b, err := d.define(p)
	if err != nil {
		return err
	}
	if again {
		defer s.free(b)
	} else {
		b.since, b.stamp = at, p.stamp
		s.installDevice(e, strings.Clone(device), b)
	}
	if err := d.online(device, true); err != nil {
		return err
	}
	return d.values(e, b, p, true)
}

// nodeDeath decodes NDEATH: nothing holds any more that the births said. One of an earlier session may come after the
// birth of the next: the broker publishes it when it notices.
func (d *sparkplugDecoder) nodeDeath(e *edge) error {
	session, ok, err := d.session()
	if err != nil {
		return err
	}
	if ok && e.born && e.sessioned && session != e.session {
		return reject(sensors.ReasonSequence, "the death is of session %d, and %d holds", session, e.session)
	}
	gone := slices.Sorted(mapsKeys(e.devices))
	d.format.edges.forget(e)
	for _, device := range gone {
		if err := d.online(device, false); err != nil {
			return err
		}
	}
	return d.online("", false)
}

// online appends a reading of whether the edge node, or its device, is there.
func (d *sparkplugDecoder) online(device string, there bool) error {
	name := nodeOnline
	if device != "" {
		name = deviceOnline
	}
	if err := d.choose(device); err != nil {
		return err
	}
	d.key = append(d.key[:0], name...)
	fd, err := d.field(d.key)
	if err != nil {
		return err
	}
	from := len(d.out)
	if fd != nil {
		err = d.bool(fd, there)
	}
	if err == nil {
		err = d.at(from, 0)
	}
	if device != d.topic.device && err == nil {
		err = d.choose(d.topic.device)
	}
	return err
}

// noBirth rejects a message for want of a birth, and asks for one.
func (d *sparkplugDecoder) noBirth(e *edge, format string, args ...any) error {
	d.ask(e)
	return reject(sensors.ReasonNoBirth, format, args...)
}

// ask asks the edge node to be born again, unless it was lately.
func (d *sparkplugDecoder) ask(e *edge) {
	if len(d.aside.Answers) == 0 && d.format.edges.mayAsk(e, d.raw.Arrived) {
		d.aside.Answers = append(d.aside.Answers, rebirthRequest(d.topic.group, d.topic.node, d.raw.Arrived))
	}
}
