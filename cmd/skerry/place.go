package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
)

// Where the packages put things.
const (
	packagedConfig = "/etc/skerry/skerry.toml"
	packagedSocket = "/run/skerry/skerry.sock"
)

// A place is the gateway that a command is about, as its flags name it. The flags' rules: --dir reads a folder without
// an agent; --socket needs no configuration; else the configuration names the socket.
type place struct {
	dir    string // --dir; "" = not given
	socket string // --socket
	config string // --config
}

// addDirFlag adds --dir to a command that can read a folder without an agent.
func (p *place) addDirFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.dir, "dir", "", "read the gateway's folder `DIR` without an agent")
	_ = cmd.MarkFlagDirname("dir") // fails only for a flag that does not exist
}

// addSocketFlags adds --socket and --config to a command that talks to a running agent.
func (p *place) addSocketFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.socket, "socket", "", "talk to the agent at the unix socket `PATH` (default: the configuration's, else "+packagedSocket+")")
	p.addConfigFlag(cmd)
}

// addConfigFlag adds --config.
func (p *place) addConfigFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.config, "config", "", "read the configuration `FILE` (default: ./"+config.FileName+", else "+packagedConfig+")")
	_ = cmd.MarkFlagFilename("config", "toml") // fails only for a flag that does not exist
}

// addFolderFlags adds --dir and --config to a command that reads a gateway's files, agent or not.
func (p *place) addFolderFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.dir, "dir", "", "read the files of the gateway in the folder `DIR`")
	_ = cmd.MarkFlagDirname("dir") // fails only for a flag that does not exist
	p.addConfigFlag(cmd)
}

// backend opens what the flags name: the folder of --dir without an agent, else the agent's socket. The caller closes it.
// What is wrong with the configuration is told to warnings, as reading does not depend on it. Nothing is dialled yet, so an agent that does not answer shows at the first request.
func (p *place) backend(ctx context.Context, warnings io.Writer) (backend api.Backend, closeFunc func() error, err error) {
	if p.dir != "" {
		if p.socket != "" || p.config != "" {
			return nil, nil, usageError("--dir reads a folder without an agent; leave the other flag out", "--dir cannot be combined with --socket or --config")
		}
		return openOffline(ctx, p.dir, warnings)
	}
	socket, err := p.socketPath(warnings)
	if err != nil {
		return nil, nil, err
	}
	client := api.Dial(socket)
	return client, client.Close, nil
}

// socketPath returns --socket, else the configuration's socket, else the packaged one. An agent goes on with the configuration
// before when the one on disk is faulty, so it can be asked then, too.
func (p *place) socketPath(warnings io.Writer) (string, error) {
	if p.socket != "" {
		return p.socket, nil
	}
	path, err := p.configPath()
	if errors.Is(err, errNoConfig) {
		return packagedSocket, nil
	}
	if err != nil {
		return "", err
	}
	cfg, faults, err := config.Salvage(path)
	if err != nil {
		return "", err
	}
	warnOfFaults(warnings, faults)
	return cfg.API.Socket, nil
}

// errNoConfig: no flag names a configuration and there is none in the usual places.
var errNoConfig = errors.New("no configuration found")

// configPath returns --config, else DIR/skerry.toml, else ./skerry.toml, else the packaged file. Only the last two are looked
// for; when neither is there the error is errNoConfig with a hint.
func (p *place) configPath() (string, error) {
	if p.config != "" && p.dir != "" {
		return "", usageError("leave one of them out", "--dir cannot be combined with --config")
	}
	if p.config != "" {
		return p.config, nil
	}
	if p.dir != "" {
		return filepath.Join(p.dir, config.FileName), nil
	}
	for _, path := range []string{config.FileName, packagedConfig} {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find configuration: %w", err)
		}
	}
	return "", &exitError{
		code: exitConfig,
		err:  fmt.Errorf("%w: neither ./%s nor %s", errNoConfig, config.FileName, packagedConfig),
		hint: "name one with --config FILE, or make a gateway with: skerry init --dir DIR",
	}
}
