package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/configs"
	"github.com/skerry-edge/skerry/identity"
)

func newInitCmd(p *place) *cobra.Command {
	var name string
	var interactive bool
	cmd := &cobra.Command{
		Use:   "init --dir DIR",
		Short: "Make the folder of a new gateway: its configuration and its key",
		Long: `Make the folder of a new gateway. It gets skerry.toml, a configuration that runs
as it is and explains the rest in comments, and identity.key, the key that
identifies the gateway from now on. Nothing that is there is ever overwritten.

With --interactive it asks: it finds serial ports and a broker, listens to what
arrives, guesses the format, and writes the sections of the sources. Every question
has a default, and nothing is written before the last one.`,
		Example: `  skerry init --dir ~/pump-house-3
  skerry init --dir ~/pump-house-3 --interactive
  skerry init --dir /srv/skerry --name "pump house 3"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.dir == "" {
				return usageError("for example: skerry init --dir ~/my-gateway", "--dir says where, and is missing")
			}
			if !cmd.Flags().Changed("name") {
				name = config.HostName()
			}
			if err := config.CheckGatewayName(name); err != nil {
				return usageError("", "--name %q %w", name, err)
			}
			if interactive {
				return interview(cmd, p.dir, name)
			}
			made, err := makeGateway(p.dir, name, configs.Sample(name))
			if err != nil {
				return err
			}
			return made.write(cmd)
		},
	}
	cmd.Flags().StringVar(&p.dir, "dir", "", "make the gateway in the folder `DIR`")
	_ = cmd.MarkFlagDirname("dir") // fails only for a flag that does not exist
	cmd.Flags().StringVar(&name, "name", "", "give the gateway a `NAME` for people (default: this machine's)")
	cmd.Flags().BoolVar(&interactive, "interactive", false, "find sources and ask what to take")
	return cmd
}

// A madeGateway is what init made.
type madeGateway struct {
	id      *identity.Identity
	config  string // path
	key     string // path
	keptKey bool   // the key was there before
}

// makeGateway lays out the folder dir for a new gateway. A configuration that is there is never overwritten, and a key without
// one is kept: it may be all that is left of a gateway.
func makeGateway(dir, name string, text []byte) (*madeGateway, error) {
	made := &madeGateway{config: filepath.Join(dir, config.FileName), key: filepath.Join(dir, identity.FileName)}
	if err := noGateway(made.config); err != nil {
		return nil, err
	}
	// The socket and the configuration may be everyone's to see; the key and the store are not.
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // see above
		return nil, fmt.Errorf("make folder: %w", err)
	}
	id, err := identity.Create(made.key)
	if errors.Is(err, fs.ErrExist) {
		made.keptKey = true
		id, err = identity.Load(made.key)
	}
	if err != nil {
		return nil, err
	}
	id.Name, made.id = name, id
	if err := os.MkdirAll(filepath.Join(dir, "skerry.d"), 0o755); err != nil { //nolint:gosec // see above
		return nil, fmt.Errorf("make folder: %w", err)
	}
	return made, writeNew(made.config, text)
}

// noGateway returns an error when the configuration is there.
func noGateway(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return withHint(fmt.Errorf("there is a gateway in %s already", filepath.Dir(path)),
			"run it with: skerry run --config "+shellQuote(path)+"; for another one choose another folder")
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look into folder: %w", err)
	}
	return nil
}

// writeNew makes a file that was not there.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it holds no secret
	if err != nil {
		return fmt.Errorf("make configuration: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// write tells what was made and what to do next.
func (m *madeGateway) write(cmd *cobra.Command) error {
	verb := "made"
	if m.keptKey {
		verb = "kept"
	}
	path := shellQuote(m.config)
	_, err := fmt.Fprintf(cmd.OutOrStdout(), `made  %s
%s  %s (keep it secret, and a copy of it safe)

gateway      %s
peer         %s
fingerprint  %s

Next:
    edit %s          add a collection and a source
    skerry config check %s
    skerry run --config %s
`, m.config, verb, m.key, m.id.Name, m.id.PeerID(), m.id.Fingerprint(), path, path, path)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// shellQuote returns text as a shell reads it back.
func shellQuote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@%", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
