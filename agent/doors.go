package agent

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
)

// socketDoor is the API's unix socket.
type socketDoor struct {
	path     string
	listener net.Listener
	task     *task
}

// tcpDoor is the API's TCP door.
type tcpDoor struct {
	madeOf api.TCPConfig
	*api.TCPDoor
	task *task
}

func openSocket(ctx context.Context, cfg *config.Config) (*socketDoor, error) {
	listener, err := api.ListenUnix(ctx, cfg.API.Socket)
	if err != nil {
		return nil, startError(err, cfg, "api.socket")
	}
	return &socketDoor{path: cfg.API.Socket, listener: listener}, nil
}

// openTCP opens the TCP door; nil: it is to stay closed.
func openTCP(ctx context.Context, cfg *config.Config) (*tcpDoor, error) {
	c := tcpConfig(cfg)
	if c.Address == "" {
		return nil, nil //nolint:nilnil // there is no door, and no fault
	}
	door, err := api.ListenTCP(ctx, c)
	if err != nil {
		return nil, startError(err, cfg, "api.listen")
	}
	return &tcpDoor{madeOf: c, TCPDoor: door}, nil
}

func tcpConfig(cfg *config.Config) api.TCPConfig {
	c := cfg.API
	if c.Listen == "" {
		return api.TCPConfig{}
	}
	return api.TCPConfig{Address: c.Listen, TokenFile: c.TokenFile, AllowHosts: c.AllowHosts, CertFile: c.CertFile, KeyFile: c.KeyFile}
}

// close gives the socket back. One that is served is given back already.
func (d *socketDoor) close() error {
	if d == nil {
		return nil
	}
	if err := d.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close socket: %w", err)
	}
	return nil
}

func (d *tcpDoor) close() error {
	if d == nil {
		return nil
	}
	return d.Close()
}

// doorStatus says where the API listens.
func (p *parts) doorStatus() api.Doors {
	s := api.Doors{}
	if p.socket != nil {
		s.Socket = p.socket.path
	}
	if p.tcp != nil {
		s.URL = p.tcp.URL()
	}
	return s
}

// doorTroubles adds what people should know of the TCP door.
func (p *parts) doorTroubles(a *Agent, add func(code, text, hint string) *api.Health) {
	if p.tcp == nil {
		return
	}
	if open := p.cfg.API.Open(); open != "" {
		add("api_cleartext", "the API's token and answers cross the network in the clear at "+open+" (allow_cleartext)",
			"set cert_file and key_file in [api]; or leave it so, if that is what you want").Since = a.started
	}
	t := p.tcp.Troubles()
	if t.TokenReadable != "" {
		add("api_token_readable", "every user of this machine can read the API's token in "+t.TokenReadable,
			"chmod 600 "+t.TokenReadable+", and replace the token: remove the file, then SIGHUP")
	}
	if t.Files != nil {
		add("api_files", "the API's TCP door goes on with the files that it had: "+t.Files.Error(), "put it right: it is looked at each second, and no restart is needed")
	}
	if t.Guessing != "" {
		add("api_guesses", "wrong tokens came to the API's TCP door, the latest from "+t.Guessing, "is a client's token an old one? if nobody of yours asks from there, close the door to it").Since = t.GuessingSince
	}
}
