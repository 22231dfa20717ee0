package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skerry-edge/skerry/agent/config"
)

// oneCollection wants one argument, the name of a collection.
func oneCollection(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usageError("for example: "+cmd.CommandPath()+" climate; the names: skerry collections", "COLLECTION is missing")
	case 1:
		return nil
	}
	return usageError("quote a name that has blanks", "want one COLLECTION, have %d arguments: %q", len(args), args)
}

// noArgs wants no argument.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError("see: "+cmd.CommandPath()+" --help", "%s takes no argument, have %q", cmd.CommandPath(), args[0])
}

// flagError makes a usage error of what the flag parser says: which flag, which value, what it wants.
func flagError(cmd *cobra.Command, err error) error {
	hint := "see: " + cmd.CommandPath() + " --help"
	if unknown, is := errors.AsType[*pflag.NotExistError](err); is {
		return usageError(unknownFlagHint(cmd, unknown.GetSpecifiedName(), hint), "%w", err)
	}
	if invalid, is := errors.AsType[*pflag.InvalidValueError](err); is {
		want := map[string]string{
			"int64": "want a whole number", "duration": "want a number with its unit, such as 500ms, 30s or 5m", "bool": "want true or false",
		}[invalid.GetFlag().Value.Type()]
		if want != "" {
			err = fmt.Errorf("--%s %q: %s", invalid.GetFlag().Name, invalid.GetValue(), want)
		}
	}
	return usageError(hint, "%w", err)
}

// unknownFlagHint names what was probably meant.
func unknownFlagHint(cmd *cobra.Command, name, hint string) string {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	near := config.Nearest(name, known)
	switch {
	case near != "":
		return "did you mean: --" + near
	case name == "json" && cmd.Flags().Lookup("format") != nil:
		return "write --format json"
	case name == "dir" && cmd.Name() == "run":
		return "write --config DIR/" + config.FileName
	case name == "dir" && cmd.Flags().Lookup("socket") != nil:
		return "only a running agent can answer this: name its configuration with --config FILE, or its --socket PATH"
	}
	return hint
}
