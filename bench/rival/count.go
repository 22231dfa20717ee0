package rival

import (
	"context"
	"errors"
	"fmt"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang" //nolint:depguard // the other system
)

// DrainTask is to take messages that wait for a session of a broker elsewhere.
type DrainTask struct {
	Broker   string // tcp://host:port
	ClientID string
	Filter   string
	Dir      string // where to keep them, if they are kept
	Messages int
	Inflight int
}

// DrainAnswer says how long it took from the first message to the last.
type DrainAnswer struct {
	Seconds float64
}

const pahoTimeout = 20 * time.Second

// Count takes the messages with a paho client that acknowledges by itself and only counts.
func Count(ctx context.Context, t DrainTask) (DrainAnswer, error) {
	var first, last time.Time
	count, all := 0, make(chan struct{})
	options := paho.NewClientOptions().AddBroker(t.Broker).SetClientID(t.ClientID).SetCleanSession(false).
		SetConnectTimeout(pahoTimeout).SetDefaultPublishHandler(func(paho.Client, paho.Message) {
		if count == 0 {
			first = time.Now()
		}
		if count++; count == t.Messages {
			last = time.Now()
			close(all)
		}
	})
	client := paho.NewClient(options)
	token := client.Connect()
	if !token.WaitTimeout(pahoTimeout) || token.Error() != nil {
		return DrainAnswer{}, fmt.Errorf("connect to %s: %w", t.Broker, errors.Join(token.Error(), errors.New("no connection")))
	}
	defer client.Disconnect(250)
	select {
	case <-all:
		return DrainAnswer{Seconds: last.Sub(first).Seconds()}, nil
	case <-ctx.Done():
		return DrainAnswer{}, ctx.Err()
	}
}
