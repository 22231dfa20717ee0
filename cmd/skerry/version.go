package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = ""

// A buildVersion says what was built, of what, with what.
type buildVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit, RFC 3339
	Modified bool   `json:"modified"`       // the tree differed from the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ownVersion returns what the linker and the Go tool recorded in this program.
func ownVersion() buildVersion {
	v := buildVersion{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		case "GOARM":
			v.Platform += "v" + s.Value
		}
	}
	if v.Version == "" {
		v.Version = build.Main.Version
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	return v
}

// write writes v in one line for people.
func (v buildVersion) write(w io.Writer) error {
	text := "skerry " + v.Version
	if v.Commit != "" {
		text += " commit " + v.Commit[:min(len(v.Commit), 12)]
		if v.Modified {
			text += " (modified)"
		}
	}
	_, err := fmt.Fprintln(w, text, v.Go, v.Platform)
	return err
}

func newVersionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), ownVersion())
			}
			return ownVersion().write(cmd.OutOrStdout())
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// addJSONFlag adds --json.
func addJSONFlag(cmd *cobra.Command, value *bool) {
	cmd.Flags().BoolVar(value, "json", false, "print JSON for scripts")
}

// writeJSON writes v as one line of JSON.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
