package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/identity"
)

func newIDCmd(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "id",
		Short: "Print who this gateway is: its name, peer ID and fingerprint",
		Long: `Print who this gateway is. The peer ID is its public key, by which others know it
and which stands in every block that it writes; the fingerprint is short, for
people to compare. No agent is needed.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := p.identity()
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), id)
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "name         %s\npeer         %s\nfingerprint  %s\n", id.Name, id.Peer, id.Fingerprint); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			return nil
		},
	}
	addJSONFlag(cmd, &asJSON)
	p.addFolderFlags(cmd)
	return cmd
}

// identity reads the gateway's identity from its files.
func (p *place) identity() (api.ID, error) {
	path, err := p.configPath()
	if err != nil {
		return api.ID{}, err
	}
	cfg, _, err := config.Load(path)
	if err != nil {
		return api.ID{}, err
	}
	id, err := identity.Load(cfg.Gateway.IdentityFile)
	if err != nil {
		return api.ID{}, err
	}
	return api.ID{Name: cfg.Gateway.Name, Peer: id.PeerID(), Fingerprint: id.Fingerprint()}, nil
}
