package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/configs"
)

// An interviewer asks at a terminal. It writes plain lines, so any terminal will do.
type interviewer struct {
	ctx   context.Context //nolint:containedctx // of one command
	out   io.Writer
	lines <-chan string // what is typed; closed at the end of input

	collection string
	sections   []string // of the sources that were accepted
	names      map[string]bool
}

// interview asks what a new gateway should take, and makes it. Nothing is written before all is asked.
func interview(cmd *cobra.Command, dir, name string) error {
	in, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		return usageError("without questions: skerry init --dir "+shellQuote(dir)+" --name NAME; then add sources to "+shellQuote(filepath.Join(dir, config.FileName)),
			"--interactive asks at a terminal, and standard input is none")
	}
	if err := noGateway(filepath.Join(dir, config.FileName)); err != nil {
		return err
	}
	typed := make(chan string)
	go func() { // ends with the process: a read of a terminal cannot be ended
		defer close(typed)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			typed <- lines.Text()
		}
	}()
	v := &interviewer{ctx: cmd.Context(), out: cmd.OutOrStdout(), lines: typed, collection: "readings", names: map[string]bool{}}
	text, err := v.configuration(dir, name)
	if err != nil {
		return err
	}
	made, err := makeGateway(dir, strings.TrimSpace(v.gateway(text)), []byte(text))
	if err != nil {
		return err
	}
	return v.nextSteps(made)
}

// configuration asks everything and returns the text of skerry.toml, which config check has accepted.
func (v *interviewer) configuration(dir, name string) (string, error) {
	v.say("Enter takes what stands in [brackets]. Ctrl-C leaves; nothing is written before the end.\n")
	var err error
	for {
		if name, err = v.ask("Name of this gateway", name); err != nil {
			return "", err
		}
		fault := config.CheckGatewayName(name)
		if fault == nil {
			break
		}
		v.say("  %q %v", name, fault)
	}
	if err = v.serial(); err == nil {
		err = v.broker()
	}
	if err != nil {
		return "", err
	}
	text := fillIn(string(configs.Sample(name)), v.collection, v.sections)
	path := filepath.Join(dir, config.FileName)
	if _, _, err := config.Parse(dir, path, []byte(text)); err != nil {
		return "", fmt.Errorf("what would be written is not right, so nothing was: %w", err)
	}
	v.say("\n%s to write:", plural(uint64(len(v.sections)), "source"))
	for _, s := range v.sections {
		v.say("\n%s", indent(s))
	}
	yes, err := v.yes("\nWrite "+path, true)
	if err == nil && !yes {
		err = withHint(fmt.Errorf("nothing was written"), "ask again with the same command")
	}
	return text, err
}

// gateway returns the name that a configuration gives.
func (*interviewer) gateway(text string) string {
	cfg, _, err := config.Parse(".", config.FileName, []byte(text))
	if err != nil {
		return config.HostName()
	}
	return cfg.Gateway.Name
}

// fillIn puts a collection and sources into the sample, above the examples of sources. All comments stay.
func fillIn(sample, collection string, sections []string) string {
	if len(sections) == 0 {
		return sample
	}
	const anchor = "# A source that takes messages from a broker:"
	made := "[[collection]]\nname = " + quoteTOML(collection) + "\n\n" + strings.Join(sections, "\n") + "\n"
	before, after, found := strings.Cut(sample, anchor)
	if !found {
		return sample + "\n" + made
	}
	return before + made + anchor + after
}

func (v *interviewer) nextSteps(made *madeGateway) error {
	path := shellQuote(made.config)
	v.say("\nmade  %s\nmade  %s (keep it secret, and a copy of it safe)\n\nNext:\n    skerry config check %s", made.config, made.key, path)
	for name := range v.names {
		v.say("    skerry source test %s --config %s", shellQuote(name), path)
		break
	}
	v.say("    skerry run --config %s\n    skerry tail %s --config %s      in another terminal", path, v.collection, path)
	return nil
}

func (v *interviewer) say(format string, args ...any) {
	_, _ = fmt.Fprintf(v.out, format+"\n", args...)
}

// ask asks, and returns what is typed, or preset for an empty line. Ctrl-C and the end of input are errors.
func (v *interviewer) ask(question, preset string) (string, error) {
	_, _ = fmt.Fprintf(v.out, "%s [%s]: ", question, preset)
	select {
	case <-v.ctx.Done():
		_, _ = fmt.Fprintln(v.out)
		return "", fmt.Errorf("nothing was written: %w", context.Cause(v.ctx))
	case line, open := <-v.lines:
		if !open {
			_, _ = fmt.Fprintln(v.out)
			return "", fmt.Errorf("nothing was written: the input ended")
		}
		if line = strings.TrimSpace(line); line == "" {
			line = preset
		}
		return line, nil
	}
}

func (v *interviewer) yes(question string, preset bool) (bool, error) {
	answer := "n"
	if preset {
		answer = "y"
	}
	for {
		line, err := v.ask(question+"? y or n", answer)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(line) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
	}
}

// take keeps a source's section. Its name is made unique.
func (v *interviewer) take(name, section string) {
	v.names[name] = true
	v.sections = append(v.sections, section)
}

// free returns name, with a number where it is taken.
func (v *interviewer) free(name string) string {
	for n := 2; ; n++ {
		if !v.names[name] {
			return name
		}
		name = strings.TrimRight(name, "0123456789-") + fmt.Sprintf("-%d", n)
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

// quoteTOML returns a TOML string.
func quoteTOML(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
