package mqtt

import (
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

func TestBroker_paho(t *testing.T) {
	sink := mqtttest.NewSink(1, true)
	f := startBroker(t, sink, nil)
	messages := make(chan paho.Message, 100)
	client := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + f.broker.Addr().String()).SetClientID("paho"))
	wait := func(token paho.Token) {
		t.Helper()
		if !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("no answer: %v", token.Error())
		}
	}
	wait(client.Connect())
	wait(client.Subscribe("site/#", 2, func(_ paho.Client, m paho.Message) { messages <- m }))
	for qos := range byte(3) {
		wait(client.Publish("site/one", qos, true, "17"))
		if m := receive(t, messages, "the message"); m.Qos() != qos || string(m.Payload()) != "17" || m.Retained() {
			t.Errorf("qos %d: got %+v", qos, m)
		}
	}
	wait(client.Unsubscribe("site/#"))
	wait(client.Publish("site/one", 1, false, "18"))
	none(t, messages, "a message after UNSUBSCRIBE")
	wait(client.Subscribe("site/one", 1, func(_ paho.Client, m paho.Message) { messages <- m }))
	if m := receive(t, messages, "the retained message"); !m.Retained() || string(m.Payload()) != "17" {
		t.Errorf("got %+v", m)
	}
	client.Disconnect(100)
	if n := len(sink.Stored()); n != 4 {
		t.Errorf("%d batches stored, want 4", n)
	}
}
