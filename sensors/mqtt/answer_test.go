package mqtt

import (
	"errors"
	"sync/atomic"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt/mosquittotest"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// askingDecoder answers to each message; one that says "bad" it rejects too.
type askingDecoder struct {
	sensors.Decoder
	missed *atomic.Int32
	aside  sensors.Aside
}

func (d *askingDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	d.aside = sensors.Aside{
		Answers: []sensors.Message{{Topic: "answer/" + raw.Topic, Payload: []byte("to " + string(raw.Payload))}},
		Unread:  2, Gap: &sensors.DecodeError{Reason: sensors.ReasonGap, What: "some"},
	}
	if string(raw.Payload) == "bad" {
		return dst, &sensors.DecodeError{Reason: sensors.ReasonNoBirth, What: "bad"}
	}
	return d.Decoder.Decode(dst, raw)
}

func (d *askingDecoder) Aside() sensors.Aside { return d.aside }

func (d *askingDecoder) Missed() { d.missed.Add(1) }

func checkAsides(t *testing.T, s sensors.SourceStatus, inputs uint64) {
	t.Helper()
	if s.Answers != inputs || s.Unread != 2*inputs || s.Rejected[sensors.ReasonGap] != inputs {
		t.Errorf("of %d inputs: %d answers, %d unread, rejected %v", inputs, s.Answers, s.Unread, s.Rejected)
	}
	rejected := s.Rejected[sensors.ReasonGap] + s.Rejected[sensors.ReasonNoBirth]
	if s.Offered != s.Decoded+rejected+s.Repeats {
		t.Errorf("sums: %+v", s)
	}
}

func TestBroker_passesAnswersOn(t *testing.T) {
	sink := mqtttest.NewSink(100, true)
	f := startBroker(t, sink, nil)
	for _, r := range f.broker.table.Load().routes {
		plain := r.NewDecoder
		r.NewDecoder = func() sensors.Decoder { return &askingDecoder{Decoder: plain(), missed: new(atomic.Int32)} }
	}
	c := f.dial(t, "edge", nil)
	subscribe(t, c, "answer/#", 1)
	for i, qos := range []byte{0, 1, 2, 0, 1} {
		payload := []string{"1", "2", "3", "bad", "bad"}[i]
		publishNow(t, c, "site/a", payload, qos)
		m := receive(t, c.messages, "the answer")
		if m.Topic != "answer/site/a" || string(m.Payload) != "to "+payload || m.QoS != 0 || m.Retain {
			t.Errorf("qos %d: got %+v", qos, m)
		}
	}
	none(t, c.messages, "another answer")
	checkAsides(t, f.tally.Status(), 5)
}

func TestClient_publishesAnswers(t *testing.T) {
	b := startMosquitto(t, mosquittotest.Config{})
	sink := newClientSink(t)
	client, log := newTestClient(t, clientTestConfig(b.URL()), sink, nil)
	plain, missed := client.newDecoder, new(atomic.Int32)
	client.newDecoder = func() sensors.Decoder { return &askingDecoder{Decoder: plain(), missed: missed} }
	run := runClient(t, client, log)
	run.waitConnected(t)
	if missed.Load() != 1 {
		t.Errorf("told of %d holes at the first connection, want 1", missed.Load())
	}
	p := newPublisher(t, b.URL(), nil)
	got := make(chan string, 10)
	token := p.Subscribe("answer/#", 1, func(_ paho.Client, m paho.Message) { got <- m.Topic() + " " + string(m.Payload()) })
	if !token.WaitTimeout(clientTestPatience) || token.Error() != nil {
		t.Fatal(errors.Join(errors.New("subscribe"), token.Error()))
	}
	for i, payload := range []string{"1", "2", "bad"} {
		p.Publish("site/s", byte(min(i, 1)), false, payload)
		if m := receive(t, got, "the answer"); m != "answer/site/s to "+payload {
			t.Errorf("got %q", m)
		}
	}
	clientEventually(t, "all is counted", func() bool { return client.Status().Answers == 3 && client.Status().Offered == 6 })
	checkAsides(t, client.Status(), 3)

	// mosquitto forgets the session when it stops, and with it deaths of edge nodes.
	since := client.Status().Since
	restart(t, b, b.Stop)
	clientEventually(t, "it is there again", func() bool {
		s := client.Status()
		return s.State == "connected" && s.Text == "" && s.Since.After(since)
	})
	clientEventually(t, "told of a hole", func() bool { return missed.Load() == 2 })
}
