package agent

import (
	"strings"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors/mqtt"
)

// HashMQTTUser returns the line of a users' file of the broker inside. The error says what is wrong with the name or the password.
func HashMQTTUser(name string, password []byte) (string, error) { return mqtt.HashUser(name, password) }

// PutMQTTUser puts such a line into a users' file, and reports whether it replaced one. The file is replaced at once or not at all.
func PutMQTTUser(path, line string) (replaced bool, err error) { return mqtt.PutUser(path, line) }

func (p *parts) brokerStatus() *api.Broker {
	if p.broker == nil {
		return nil
	}
	b := p.broker.Status()
	return &api.Broker{
		Listen: b.Listen, Clients: b.Clients, Messages: b.Messages, Acked: b.Acked, Passed: b.Passed,
		TLSListen: b.TLSListen, Refused: b.RefusedConnections, Denied: b.Denied, RateWaits: b.RateWaits, RateDropped: b.RateDropped,
	}
}

// mqttTroubles adds what people should know of the broker inside and of connections to others.
func (p *parts) mqttTroubles(a *Agent, add func(code, text, hint string) *api.Health) {
	for i := range p.cfg.Source.MQTT {
		if door := &p.cfg.Source.MQTT[i].Door; door.InsecureSkipVerify {
			add("source_unverified_"+door.Name, "source "+door.Name+" takes any certificate (insecure_skip_verify): whoever is in between reads and changes everything",
				"name the authority of the broker's certificate in ca_file, and remove insecure_skip_verify").Since = a.started
		}
	}
	if p.broker == nil {
		return
	}
	t := p.broker.Troubles(time.Now())
	if len(t.Open) > 0 {
		add("broker_open", "anyone who reaches "+strings.Join(t.Open, ", ")+" may come in without a name or password (allow_anonymous)",
			"set users_file, and remove allow_anonymous; or leave it so, if that is what you want").Since = a.started
	}
	if t.Files != nil {
		hint := "put it right: it is looked at each few seconds, and no restart is needed"
		add("broker_files", "the broker goes on with the files that it had: "+t.Files.Error(), hint)
	}
	if t.Certificate.Text != "" {
		add("broker_certificate", t.Certificate.Text, t.Certificate.Hint)
	}
	if t.Connection.Text != "" {
		add("broker_refused", "connections were refused, the latest of "+t.Connection.Text, t.Connection.Hint).Since = t.Connection.Since
	}
	if t.Denial.Text != "" {
		add("broker_denied", t.Denial.Text, t.Denial.Hint).Since = t.Denial.Since
	}
}

// mqttMetrics adds the broker's counters.
func (p *parts) mqttMetrics(count, gauge func(name, help string, value uint64, labels ...string)) {
	if p.broker == nil {
		return
	}
	b := p.broker.Status()
	gauge("broker_clients", "Clients connected to the broker inside.", uint64(max(b.Clients, 0)))
	count("broker_messages_total", "PUBLISH packets received.", b.Messages)
	count("broker_acked_messages_total", "Messages acknowledged after the sync.", b.Acked)
	count("broker_passed_messages_total", "Messages of topics that no source takes.", b.Passed)
	count("broker_refused_messages_total", "Messages to topics that only the broker may publish to.", b.Refused)
	count("broker_dropped_messages_total", "Messages that a subscriber missed because too many waited for it.", b.Dropped)
	count("broker_unpassed_messages_total", "Messages that subscribers missed because too many waited for a commit.", b.Unpassed)
	count("broker_unretained_messages_total", "Messages that were not retained because too many are.", b.Unretained)
	count("broker_forgotten_sessions_total", "Sessions forgotten to make room.", b.Forgotten)
	count("broker_hashed_passwords_total", "Passwords that were hashed to check them.", b.Hashed)
	count("broker_rate_waits_total", "Packets after which a client beyond its rate was not read for a while.", b.RateWaits)
	count("broker_rate_dropped_messages_total", "Messages of QoS 0 beyond their client's rate.", b.RateDropped)
	for reason, n := range b.RefusedConnections {
		count("broker_refused_connections_total", "Connections refused, by reason.", n, "reason", reason)
	}
	for what, n := range b.Denied {
		count("broker_denied_total", "Messages and subscriptions that the access rules did not allow.", n, "what", what)
	}
}
