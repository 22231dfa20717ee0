package agent

import (
	"net"
	"time"

	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/sensors/mqtt"
)

// parts is what a reload of the configuration may change. Constant but for the tasks: a reload puts another one in its place.
type parts struct {
	cfg     *config.Config
	read    time.Time // when the configuration was read
	restart []string  // keys whose change waits for the next start
	view    *view
	inputs  []*input // routes of the broker inside first
	broker  *broker  // nil: off
	socket  *socketDoor
	tcp     *tcpDoor // nil: closed
}

// broker is the broker inside.
type broker struct {
	madeOf config.MQTT
	*mqtt.Broker
	task *task
}

// close releases what was taken and is not at work.
func (p *parts) close() []error {
	var errs []error
	if p.broker != nil {
		errs = append(errs, p.broker.Close())
	}
	return append(errs, p.socket.close(), p.tcp.close())
}

// brokerAddr returns where the broker inside listens; nil: it is off.
func (p *parts) brokerAddr() net.Addr {
	if p.broker == nil {
		return nil
	}
	return p.broker.Addr()
}
