package rival

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server" //nolint:depguard // the other system
)

const natsStart = 20 * time.Second

// NATS serves MQTT by nats-server, with JetStream in dir and a sync for each write.
func NATS(ctx context.Context, dir string, ready func(addr string) error) error {
	options := &server.Options{
		ServerName: "bench", Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
		MQTT: server.MQTTOpts{Host: "127.0.0.1", Port: -1},
	}
	s, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("start nats-server: %w", err)
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(natsStart) {
		return errors.New("start nats-server: it does not listen")
	}
	if err := ready(net.JoinHostPort("127.0.0.1", strconv.Itoa(options.MQTT.Port))); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
